import { expect, test } from 'vitest'

import { decode, encode, half, model } from './model'

test('numbers of 16 bits are read as IEEE 754 says', () => {
  expect([0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555].map(half)).toEqual([1, -2, 2 ** -24, 65504, 0.333251953125])
})

/** A safetensors file by hand: 2 → 1 → 2, all weights 1, all biases 0. */
function file(): ArrayBuffer {
  const one = 0x3c00
  const parts: [string, number[], number[]][] = [
    ['encoder.0.weight', [1, 2], [one, one]],
    ['encoder.0.bias', [1], [0]],
    ['decoder.0.weight', [2, 1], [one, 0xbc00]],
    ['decoder.0.bias', [2], [0, 0]],
  ]
  let offset = 0
  const head: Record<string, unknown> = {}
  for (const [name, shape, values] of parts) {
    head[name] = { dtype: 'F16', shape, data_offsets: [offset, offset + 2 * values.length] }
    offset += 2 * values.length
  }
  const text = new TextEncoder().encode(JSON.stringify(head).padEnd(400))
  const content = new ArrayBuffer(8 + text.length + offset)
  new DataView(content).setBigUint64(0, BigInt(text.length), true)
  new Uint8Array(content, 8).set(text)
  const numbers = parts.flatMap(([, , values]) => values)
  numbers.forEach((bits, index) => new DataView(content).setUint16(8 + text.length + 2 * index, bits, true))
  return content
}

test('a model computes what its weights say', () => {
  const net = model(file())
  const code = encode(net, Float32Array.of(0.25, 0.5))
  expect(code[0]).toBeCloseTo(0.75, 6)
  const image = decode(net, code)
  expect(image[0]).toBeCloseTo(1 / (1 + Math.exp(-0.75)), 6)
  expect(image[1]).toBeCloseTo(1 / (1 + Math.exp(0.75)), 6)
})
