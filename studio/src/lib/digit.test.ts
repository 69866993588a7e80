import { expect, test } from 'vitest'

import { asDigit } from './digit'

test('a digit fits a box of 20 pixels and lies with its mass in the middle', () => {
  const side = 100
  const data = new Uint8ClampedArray(4 * side * side)
  for (let y = 10; y < 50; y++) for (let x = 70; x < 80; x++) data.fill(255, 4 * (y * side + x), 4 * (y * side + x) + 4)
  const levels = asDigit({ width: side, height: side, data, colorSpace: 'srgb' } as ImageData)
  let [mass, across, down, top, bottom] = [0, 0, 0, 28, -1]
  levels.forEach((level, place) => {
    mass += level
    across += level * (place % 28)
    down += level * Math.floor(place / 28)
    if (level > 0) [top, bottom] = [Math.min(top, Math.floor(place / 28)), Math.max(bottom, Math.floor(place / 28))]
  })
  expect(bottom - top + 1).toBe(20)
  expect(Math.abs(across / mass - 13.5)).toBeLessThanOrEqual(0.5)
  expect(Math.abs(down / mass - 13.5)).toBeLessThanOrEqual(0.5)
})

test('of nothing nothing is made', () => {
  const levels = asDigit({ width: 4, height: 4, data: new Uint8ClampedArray(64), colorSpace: 'srgb' } as ImageData)
  expect(levels.every((level) => level === 0)).toBe(true)
})
