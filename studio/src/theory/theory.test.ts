import { describe, expect, it } from 'vitest'

import { assign, laid, MAPS, overlap, priorSides, type Box } from './anchors'
import { block, gaussian, jensenShannon, kullbackLeibler, wasserstein } from './divergences'
import { bestForward, bestReverse, peaks } from './divergences'
import { mapSide, receptiveField, STACKS, ways } from './field'

describe('divergences', () => {
  it('agree with closed forms for Gaussians', () => {
    const [m, s] = [1.5, 0.7]
    expect(kullbackLeibler(gaussian(m, s), gaussian(0, 1))).toBeCloseTo(Math.log(1 / s) + (s * s + m * m) / 2 - 0.5, 8)
    for (const shift of [0, 0.5, 3, 8]) {
      expect(wasserstein(gaussian(-4, 1), gaussian(shift - 4, 1))).toBeCloseTo(shift, 5)
    }
  })
  it('agree with closed forms for blocks, and JS ends at log 2', () => {
    for (const shift of [0, 0.25, 0.8, 1, 4]) {
      expect(jensenShannon(block(0), block(shift))).toBeCloseTo(Math.min(shift, 1) * Math.LN2, 6)
      expect(wasserstein(block(0), block(shift))).toBeCloseTo(shift, 6)
    }
    expect(jensenShannon(gaussian(-5, 1), gaussian(5, 1))).toBeCloseTo(Math.LN2, 5)
  })
  it('have their least where the buttons lead', () => {
    const at = ({ mean, std }: { mean: number; std: number }) => gaussian(mean, std)
    const [forward, reverse] = [bestForward(), bestReverse(1)]
    expect(forward.std).toBeCloseTo(Math.sqrt(4.36), 12)
    expect(reverse.mean).toBeCloseTo(2, 2)
    expect(reverse.std).toBeCloseTo(0.6, 2)
    expect(bestReverse(-0.1).mean).toBeCloseTo(-2, 2)
    for (const [along, wider] of [[0.05, 0], [-0.05, 0], [0, 0.05], [0, -0.05]]) {
      const near = (fit: { mean: number; std: number }) => ({ mean: fit.mean + along, std: fit.std + wider })
      expect(kullbackLeibler(peaks, at(near(forward)))).toBeGreaterThan(kullbackLeibler(peaks, at(forward)))
      expect(kullbackLeibler(at(near(reverse)), peaks)).toBeGreaterThan(kullbackLeibler(at(reverse), peaks))
    }
  })
})

describe('receptive fields', () => {
  it('are those that are known', () => {
    expect(receptiveField(STACKS.vgg.layers)).toEqual({ size: 212, stride: 32, centre: 106 })
    expect(receptiveField(STACKS.patch.layers)).toEqual({ size: 70, stride: 8, centre: 35 })
    expect(receptiveField(STACKS.dcgan.layers)).toMatchObject({ size: 94, stride: 16 })
    expect(receptiveField(STACKS.six.layers).size).toBe(5)
    expect(receptiveField(STACKS.dilated.layers).size).toBe(15)
    expect(receptiveField([])).toEqual({ size: 1, stride: 1, centre: 0.5 })
  })
  it('fit the map: the last field ends inside the image, one more would not', () => {
    for (const { layers } of Object.values(STACKS)) {
      const { size, stride } = receptiveField(layers)
      for (const side of [size, size + 1, size + stride, 300]) {
        const count = mapSide(side, layers)
        expect((count - 1) * stride + size).toBeLessThanOrEqual(side)
        expect(count * stride + size).toBeGreaterThan(side)
      }
    }
  })
  it('count ways: as long as the field, and by hand for 3, 3', () => {
    expect([...ways(STACKS.six.layers)]).toEqual([1, 2, 3, 2, 1].map((count) => count / 3))
    for (const { layers } of Object.values(STACKS)) expect(ways(layers)).toHaveLength(receptiveField(layers).size)
  })
})

describe('anchors', () => {
  it('overlap and are assigned as Dive into Deep Learning prints it', () => {
    const objects: Box[] = [[0.1, 0.08, 0.52, 0.92], [0.55, 0.2, 0.9, 0.88]]
    const anchors: Box[] = [
      [0, 0.1, 0.2, 0.3], [0.15, 0.2, 0.4, 0.4], [0.63, 0.05, 0.88, 0.98], [0.66, 0.45, 0.8, 0.8],
      [0.57, 0.3, 0.92, 0.9],
    ]
    const printed = [[0.0536, 0], [0.1417, 0], [0, 0.5657], [0, 0.2059], [0, 0.7459]]
    anchors.forEach((anchor, row) =>
      objects.forEach((object, column) => expect(overlap(anchor, object)).toBeCloseTo(printed[row][column], 4)),
    )
    expect([...assign(objects, anchors)]).toEqual([-1, 0, 1, -1, 1])
  })
  it('are as many as TinySSD has', () => {
    const count = MAPS.map(({ side, sizes }) => laid(side, priorSides(sizes, [1, 2, 0.5])).length)
    expect(count.reduce((sum, more) => sum + more)).toBe(5444)
  })
  it('have the areas of their sizes and the ratios asked for', () => {
    const [one, two, three] = priorSides([0.4, 0.5], [1, 4])
    expect(one).toEqual([0.4, 0.4])
    expect(two).toEqual([0.5, 0.5])
    expect(three).toEqual([0.8, 0.2])
  })
})
