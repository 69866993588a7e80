/** A multilayer perceptron with leaky rectifiers, its gradients by hand, and the optimisers of the papers. */

const SLOPE = 0.2

export class Mlp {
  readonly values: Float32Array
  readonly gradient: Float32Array
  private readonly starts: number[] = []
  private readonly layers: Float32Array[]
  private readonly deltas: Float32Array[]

  /** `sizes`: numbers of units from input to output; `rows`: the largest batch. */
  constructor(
    private readonly sizes: readonly number[],
    rows: number,
    random: () => number,
  ) {
    let count = 0
    for (let layer = 1; layer < sizes.length; layer++) {
      this.starts.push(count)
      count += (sizes[layer - 1] + 1) * sizes[layer]
    }
    this.values = new Float32Array(count)
    this.gradient = new Float32Array(count)
    this.starts.forEach((start, layer) => {
      const reach = Math.sqrt(6 / (1 + SLOPE ** 2) / sizes[layer])
      const weights = sizes[layer] * sizes[layer + 1]
      for (let place = start; place < start + weights; place++) this.values[place] = reach * (2 * random() - 1)
    })
    this.layers = sizes.map((size) => new Float32Array(rows * size))
    this.deltas = sizes.map((size) => new Float32Array(rows * size))
  }

  /** The outputs of `rows` inputs, in an array that the next call overwrites. */
  forward(inputs: Float32Array, rows = inputs.length / this.sizes[0]): Float32Array {
    this.layers[0].set(inputs)
    const last = this.starts.length - 1
    for (let layer = 0; layer <= last; layer++) {
      const [before, after] = [this.sizes[layer], this.sizes[layer + 1]]
      const [from, to, values] = [this.layers[layer], this.layers[layer + 1], this.values]
      const weights = this.starts[layer]
      const biases = weights + before * after
      for (let row = 0; row < rows; row++) {
        for (let unit = 0; unit < after; unit++) {
          let sum = values[biases + unit]
          const own = weights + unit * before
          for (let input = 0; input < before; input++) sum += values[own + input] * from[row * before + input]
          to[row * after + unit] = layer < last && sum < 0 ? SLOPE * sum : sum
        }
      }
    }
    return this.layers[last + 1].subarray(0, rows * this.sizes[last + 1])
  }

  /** From the slopes of a loss for the outputs of the last `forward`: `gradient` for the values, and those for the
      inputs, in an array that the next call overwrites. */
  backward(slopes: Float32Array): Float32Array {
    const rows = slopes.length / this.sizes[this.sizes.length - 1]
    this.gradient.fill(0)
    this.deltas[this.starts.length].set(slopes)
    for (let layer = this.starts.length - 1; layer >= 0; layer--) {
      const [before, after] = [this.sizes[layer], this.sizes[layer + 1]]
      const [from, to, back] = [this.layers[layer], this.deltas[layer + 1], this.deltas[layer]]
      const { values, gradient } = this
      const weights = this.starts[layer]
      const biases = weights + before * after
      back.fill(0, 0, rows * before)
      for (let row = 0; row < rows; row++) {
        const first = row * before
        for (let unit = 0; unit < after; unit++) {
          const delta = to[row * after + unit]
          const own = weights + unit * before
          gradient[biases + unit] += delta
          for (let input = 0; input < before; input++) {
            gradient[own + input] += delta * from[first + input]
            back[first + input] += delta * values[own + input]
          }
        }
        if (layer) for (let input = first; input < first + before; input++) if (from[input] < 0) back[input] *= SLOPE
      }
    }
    return this.deltas[0].subarray(0, rows * this.sizes[0])
  }

  clip(limit: number): void {
    const { values } = this
    for (let place = 0; place < values.length; place++) values[place] = Math.min(limit, Math.max(-limit, values[place]))
  }
}

/** Adam of Kingma and Ba with the β of DCGAN, or, without means of the gradient, RMSprop as torch has it. */
export class Optimizer {
  private readonly means: Float32Array
  private readonly squares: Float32Array
  private steps = 0

  constructor(
    private readonly network: Mlp,
    private readonly kind: 'adam' | 'rmsprop',
  ) {
    this.means = new Float32Array(network.values.length)
    this.squares = new Float32Array(network.values.length)
  }

  step(rate: number): void {
    const adam = this.kind === 'adam'
    const [first, second] = adam ? [0.5, 0.999] : [0, 0.99]
    this.steps++
    const scale = adam ? 1 / (1 - first ** this.steps) : 1
    const square = adam ? 1 / (1 - second ** this.steps) : 1
    const { means, squares } = this
    const { values, gradient } = this.network
    for (let place = 0; place < values.length; place++) {
      const slope = gradient[place]
      means[place] = first * means[place] + (1 - first) * slope
      squares[place] = second * squares[place] + (1 - second) * slope * slope
      values[place] -= (rate * scale * means[place]) / (Math.sqrt(square * squares[place]) + 1e-8)
    }
  }
}
