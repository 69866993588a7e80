/** A shipped autoencoder, computed in the page itself: it plays before the server's child has loaded torch. */

export type Layers = { weight: Float32Array; bias: Float32Array; inputs: number; outputs: number }[]

export interface Model {
  encoder: Layers
  decoder: Layers
  /** The slope of the LeakyReLU between layers. */
  slope: number
}

export function half(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const sign = bits & 0x8000 ? -1 : 1
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** The tensors of a safetensors file of 16-bit numbers, by name. */
export function tensors(content: ArrayBuffer): Map<string, { shape: number[]; values: Float32Array }> {
  const length = Number(new DataView(content).getBigUint64(0, true))
  const head: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(new Uint8Array(content, 8, length)),
  )
  const found = new Map<string, { shape: number[]; values: Float32Array }>()
  for (const [name, about] of Object.entries(head)) {
    if (about.dtype !== 'F16') continue
    const bits = new Uint16Array(content.slice(8 + length + about.data_offsets[0], 8 + length + about.data_offsets[1]))
    found.set(name, { shape: about.shape, values: Float32Array.from(bits, half) })
  }
  return found
}

export function model(content: ArrayBuffer, slope = 0.02): Model {
  const all = tensors(content)
  const part = (prefix: string): Layers => {
    const names = [...all.keys()].filter((name) => name.startsWith(`${prefix}.`) && name.endsWith('.weight'))
    const place = (name: string): number => Number(name.split('.')[1])
    return names
      .sort((first, second) => place(first) - place(second))
      .map((name) => {
        const weight = all.get(name)!
        const bias = all.get(name.replace(/weight$/, 'bias'))!
        return { weight: weight.values, bias: bias.values, inputs: weight.shape[1], outputs: weight.shape[0] }
      })
  }
  return { encoder: part('encoder'), decoder: part('decoder'), slope }
}

function through(layers: Layers, slope: number, input: Float32Array): Float32Array {
  let values = input
  layers.forEach((layer, index) => {
    const made = new Float32Array(layer.outputs)
    for (let row = 0; row < layer.outputs; row++) {
      let sum = layer.bias[row]
      const start = row * layer.inputs
      for (let column = 0; column < layer.inputs; column++) sum += layer.weight[start + column] * values[column]
      made[row] = index < layers.length - 1 && sum < 0 ? slope * sum : sum
    }
    values = made
  })
  return values
}

export const encode = (net: Model, image: Float32Array): Float32Array => through(net.encoder, net.slope, image)

/** Grey levels in [0, 1] of a code. */
export function decode(net: Model, code: Float32Array): Float32Array {
  const logits = through(net.decoder, net.slope, code)
  for (let i = 0; i < logits.length; i++) logits[i] = 1 / (1 + Math.exp(-logits[i]))
  return logits
}

export const bytes = (levels: Float32Array): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(levels, (level) => Math.round(255 * Math.min(1, Math.max(0, level))))
