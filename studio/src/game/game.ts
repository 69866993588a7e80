/** A generator and a discriminator that play on the plane. A seed decides the game: looking on changes nothing. */

import { best, dataDensity, leastLoss, madeDensity, pixels } from './density'
import { Mlp, Optimizer } from './network'
import { discriminatorLoss, generatorLoss, says, type Objective } from './objectives'
import { covered, draw, modesOf, type Data, type Modes } from './points'
import { mulberry32, normal } from './random'

export const BATCH = 64
export const WIDTH = 16
export const LOOKED = 2000 // points that modes are counted from
const ARROWS = 48

export interface Rules {
  data: Data
  objective: Objective
  discriminatorSteps: number
  generatorRate: number
  discriminatorRate: number
  clip: number // of the critic's weights; others have none
  seed: number
}

/** What there is to see after so many steps. */
export interface Look {
  step: number
  made: Float32Array
  arrows: Float32Array // x, y and where G's loss falls, for some of the made points
  discriminator: Float32Array
  best: Float32Array
  modes: number
  of: number
  loss: number // of the discriminator, over the last steps
  least: number
  generator: number
  error: number // mean |D - D*| over data and made points
}

export class Game {
  step = 0
  readonly modes: Modes
  private readonly random: () => number
  private readonly generator: Mlp
  private readonly discriminator: Mlp
  private readonly optimizers: [Optimizer, Optimizer]
  private readonly noise = new Float32Array(2 * BATCH)
  private readonly both = new Float32Array(4 * BATCH)
  private readonly slopes = new Float32Array(2 * BATCH)
  private readonly latents: Float32Array
  private readonly density: Float32Array
  private losses = [NaN, NaN]

  /** `rules` may be others later, but for data, objective and seed. */
  constructor(public rules: Rules) {
    this.modes = modesOf(rules.data)
    this.density = dataDensity(this.modes)
    this.random = mulberry32(rules.seed)
    this.generator = new Mlp([2, WIDTH, WIDTH, 2], LOOKED, this.random)
    this.discriminator = new Mlp([2, WIDTH, WIDTH, 1], pixels().length / 2, this.random)
    const kind = rules.objective === 'wasserstein' ? 'rmsprop' : 'adam'
    this.optimizers = [new Optimizer(this.generator, kind), new Optimizer(this.discriminator, kind)]
    this.latents = normal(new Float32Array(2 * LOOKED), mulberry32(rules.seed + 1))
  }

  /** So many updates of the discriminator, and one of the generator. */
  play(): void {
    const { objective, discriminatorSteps, generatorRate, discriminatorRate, clip } = this.rules
    for (let turn = 0; turn < discriminatorSteps; turn++) {
      draw(this.modes, this.both.subarray(0, 2 * BATCH), this.random, normal(this.noise, this.random))
      this.both.set(this.generator.forward(normal(this.noise, this.random)), 2 * BATCH)
      const logits = this.discriminator.forward(this.both)
      let loss = 0
      for (let row = 0; row < 2 * BATCH; row++) {
        const [share, slope] = discriminatorLoss(objective, logits[row], row < BATCH)
        loss += share / BATCH
        this.slopes[row] = slope / BATCH
      }
      this.discriminator.backward(this.slopes)
      this.optimizers[1].step(discriminatorRate)
      if (objective === 'wasserstein') this.discriminator.clip(clip)
      this.follow(1, loss)
    }
    const logits = this.discriminator.forward(this.generator.forward(normal(this.noise, this.random)))
    let loss = 0
    const slopes = this.slopes.subarray(0, BATCH)
    for (let row = 0; row < BATCH; row++) {
      const [share, slope] = generatorLoss(objective, logits[row])
      loss += share / BATCH
      slopes[row] = slope / BATCH
    }
    this.generator.backward(this.discriminator.backward(slopes))
    this.optimizers[0].step(generatorRate)
    this.follow(0, loss)
    this.step++
  }

  private follow(player: 0 | 1, loss: number): void {
    const before = this.losses[player]
    this.losses[player] = Number.isNaN(before) ? loss : before + 0.05 * (loss - before)
  }

  made(): Float32Array {
    return this.generator.forward(this.latents).slice()
  }

  look(): Look {
    const { objective } = this.rules
    const made = this.made()
    const density = madeDensity(made)
    const [modes, of] = covered(made, this.modes)
    const discriminator = this.discriminator.forward(pixels()).map((logit) => says(objective, logit))
    const possible = best(this.density, density)
    let [error, mass] = [0, 0]
    possible.forEach((value, pixel) => {
      const weight = this.density[pixel] + density[pixel]
      error += weight * Math.abs(Math.min(1, Math.max(0, discriminator[pixel])) - value)
      mass += weight
    })
    return {
      step: this.step,
      made,
      arrows: this.arrows(made.subarray(0, 2 * ARROWS)),
      discriminator,
      best: possible,
      modes,
      of,
      loss: this.losses[1],
      least: leastLoss(objective, this.density, density),
      generator: this.losses[0],
      error: objective === 'wasserstein' ? NaN : error / mass,
    }
  }

  private arrows(points: Float32Array): Float32Array {
    const slopes = this.discriminator.forward(points).map((logit) => generatorLoss(this.rules.objective, logit)[1])
    const falls = this.discriminator.backward(slopes)
    const arrows = new Float32Array(2 * points.length)
    for (let place = 0; place < points.length; place += 2) {
      arrows.set([points[place], points[place + 1], -falls[place], -falls[place + 1]], 2 * place)
    }
    return arrows
  }
}
