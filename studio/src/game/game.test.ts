import { describe, expect, it } from 'vitest'

import { best, dataDensity, leastLoss, madeDensity, PIXEL } from './density'
import { Game, LOOKED } from './game'
import { Mlp, Optimizer } from './network'
import { discriminatorLoss, generatorLoss, OBJECTIVES } from './objectives'
import { covered, DATA, draw, modesOf, ring } from './points'
import { RULES } from './presets'
import { mulberry32, normal } from './random'

const many = (count: number, seed = 1) => normal(new Float32Array(count), mulberry32(seed))

function played(name: keyof typeof RULES, steps: number, seed = 1): Game {
  const game = new Game({ ...RULES[name], seed })
  while (game.step < steps) game.play()
  return game
}

describe('random numbers', () => {
  it('are mulberry32, and normal', () => {
    const random = mulberry32(1)
    expect([random(), random()].map((value) => value.toFixed(6))).toEqual(['0.627074', '0.002736'])
    const values = many(20_000)
    const mean = values.reduce((sum, value) => sum + value) / values.length
    expect(Math.abs(mean)).toBeLessThan(0.03)
    expect(values.reduce((sum, value) => sum + value * value) / values.length).toBeCloseTo(1, 1)
  })
})

describe('points', () => {
  it.each(DATA)('of %s hit all of its modes, and one point hits none', (name) => {
    const modes = modesOf(name)
    const points = draw(modes, new Float32Array(8000), mulberry32(2), many(8000))
    const [held, of] = covered(points, modes)
    expect([held, of]).toEqual([{ ring: 8, grid: 25, moons: 16 }[name], of])
    expect(covered(new Float32Array(8000), ring())[0]).toBe(0)
    expect(points.every((value) => Math.abs(value) < 1.1)).toBe(true)
  })
})

describe('networks', () => {
  it('have the gradients that differences have', () => {
    const network = new Mlp([2, 5, 4, 1], 3, mulberry32(3))
    const inputs = many(6)
    const slopes = Float32Array.of(1, -2, 0.5)
    const value = () => network.forward(inputs).reduce((sum, output, row) => sum + output * slopes[row], 0)
    value()
    const back = network.backward(slopes).slice()
    const checked: [Float32Array, Float32Array][] = [[network.values, network.gradient.slice()], [inputs, back]]
    for (const [numbers, gradient] of checked) {
      numbers.forEach((at, place) => {
        numbers[place] = at + 1e-3
        const above = value()
        numbers[place] = at - 1e-3
        const below = value()
        numbers[place] = at
        expect(Math.abs((above - below) / 2e-3 - gradient[place])).toBeLessThan(5e-3)
      })
    }
  })
  it('move by the rate at the first step of Adam, and by ten times the rate with RMSprop', () => {
    for (const [kind, moved] of [['adam', 0.01], ['rmsprop', 0.1]] as const) {
      const network = new Mlp([1, 1], 1, mulberry32(4))
      const before = network.values.slice()
      network.forward(Float32Array.of(1))
      network.backward(Float32Array.of(3))
      new Optimizer(network, kind).step(0.01)
      network.values.forEach((value, place) => expect(before[place] - value).toBeCloseTo(moved, 5))
    }
  })
})

describe('objectives', () => {
  it.each(OBJECTIVES)('%s has the slopes that differences have', (objective) => {
    for (const logit of [-3, -0.5, 0, 2]) {
      for (const loss of [
        (at: number) => discriminatorLoss(objective, at, true),
        (at: number) => discriminatorLoss(objective, at, false),
        (at: number) => generatorLoss(objective, at),
      ]) {
        expect((loss(logit + 1e-5)[0] - loss(logit - 1e-5)[0]) / 2e-5).toBeCloseTo(loss(logit)[1], 6)
      }
    }
  })
  it('are log 4 and a quarter where D can only guess', () => {
    const both = (objective: 'minimax' | 'least_squares', logit: number) =>
      discriminatorLoss(objective, logit, true)[0] + discriminatorLoss(objective, logit, false)[0]
    expect(both('minimax', 0)).toBeCloseTo(Math.log(4))
    expect(both('least_squares', 0.5)).toBeCloseTo(0.25)
  })
})

describe('the best discriminator', () => {
  const data = dataDensity(ring())
  it('says one half of equal densities, and loses log 4 or a quarter', () => {
    expect(data.reduce((sum, value) => sum + value) * PIXEL ** 2).toBeCloseTo(1, 4)
    expect([...best(data, data)].every((share) => Math.abs(share - 0.5) < 1e-6)).toBe(true)
    expect(leastLoss('minimax', data, data)).toBeCloseTo(Math.log(4), 4)
    expect(leastLoss('least_squares', data, data)).toBeCloseTo(0.25, 4)
  })
  it('is seen from points as from the density, nearly', () => {
    const points = draw(ring(), new Float32Array(40_000), mulberry32(5), many(40_000))
    const made = madeDensity(points)
    expect(made.reduce((sum, value) => sum + value) * PIXEL ** 2).toBeCloseTo(1, 4)
    expect(leastLoss('minimax', data, made)).toBeGreaterThan(Math.log(4) - 0.02)
    expect(leastLoss('minimax', data, madeDensity(new Float32Array(40)))).toBeLessThan(1e-3)
  })
})

describe('a game', () => {
  it('is decided by its seed, looked at or not', () => {
    const one = played('balanced', 50)
    const other = new Game(RULES.balanced)
    while (other.step < 50) {
      other.play()
      other.look()
    }
    expect(one.made()).toEqual(other.made())
    expect(one.made()).not.toEqual(played('balanced', 50, 2).made())
  })
  it('of WGAN keeps the critic within its limit', () => {
    const game = new Game({ ...RULES.balanced, objective: 'wasserstein', clip: 0.1, discriminatorSteps: 5 })
    for (let step = 0; step < 20; step++) game.play()
    const { discriminator, error, least } = game.look()
    expect(Math.max(...discriminator.map(Math.abs))).toBeLessThan(0.1 * (1 + 16 * 0.1 * (1 + 16 * 0.1 * 3.4)))
    expect([error, least]).toEqual([NaN, NaN])
  })
})

describe('after 2,000 steps', { timeout: 60_000 }, () => {
  it('balanced holds seven modes or more, near the loss of guessing', () => {
    const { modes, loss } = played('balanced', 2000).look()
    expect(modes).toBeGreaterThanOrEqual(7)
    expect(loss).toBeGreaterThan(1.2)
  })
  it('collapse holds three or fewer, and some', () => {
    const { modes } = played('collapse', 2000).look()
    expect(modes).toBeGreaterThanOrEqual(1)
    expect(modes).toBeLessThanOrEqual(3)
  })
  it('oscillation is one clump, which leaps on', () => {
    const game = played('oscillation', 1500)
    const places = [0, 1, 2, 3, 4, 5].map(() => {
      for (let step = 0; step < 100; step++) game.play()
      const made = game.made()
      const along = (side: number) => made.filter((_, place) => place % 2 === side)
      const middle = [0, 1].map((side) => along(side).reduce((sum, value) => sum + value / LOOKED, 0))
      return [...middle, game.look().modes]
    })
    const moved = places.slice(1).map(([x, y], before) => Math.hypot(x - places[before][0], y - places[before][1]))
    expect(moved.reduce((sum, value) => sum + value) / moved.length).toBeGreaterThan(0.3)
    expect(Math.max(...places.map(([, , modes]) => modes))).toBeLessThanOrEqual(2)
  })
  it('too strong a D sees through nearly all that is made', () => {
    const game = played('strong', 1000)
    const early = game.made()
    while (game.step < 2000) game.play()
    const { loss, made, generator } = game.look()
    expect(loss).toBeLessThan(0.7)
    expect(generator).toBeGreaterThan(-0.4)
    const moved = made.reduce((sum, value, place) => sum + Math.abs(value - early[place]), 0) / made.length
    expect(moved).toBeLessThan(0.2)
  })
})
