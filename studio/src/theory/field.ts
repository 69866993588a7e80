/** How much of an image one number of a map depends on, layer by layer, without padding. */

export interface Layer {
  kernel: number
  stride: number
  dilation: number
}

/** Of a stack of layers: pixels along a side of the field, pixels between fields of neighbours, and the middle of the
    first field, in pixels from the edge of the image (the first pixel's middle is ½). */
export interface Field {
  size: number
  stride: number
  centre: number
}

export function receptiveField(layers: readonly Layer[]): Field {
  let [size, stride] = [1, 1]
  for (const layer of layers) {
    size += (layer.kernel - 1) * layer.dilation * stride
    stride *= layer.stride
  }
  return { size, stride, centre: size / 2 }
}

/** The side of the map that comes out of an image of `side` pixels; 0 where a kernel does not fit. */
export function mapSide(side: number, layers: readonly Layer[]): number {
  return layers.reduce(
    (now, { kernel, stride, dilation }) => Math.max(0, Math.floor((now - (kernel - 1) * dilation - 1) / stride) + 1),
    side,
  )
}

/** For each pixel along the field the share of the ways that lead from it to the number, the most as 1. Pixels that a
    dilated or a leaping kernel passes over have none. */
export function ways(layers: readonly Layer[]): Float64Array {
  let counts = Float64Array.of(1)
  for (const { kernel, stride, dilation } of [...layers].reverse()) {
    const spread = new Float64Array((counts.length - 1) * stride + (kernel - 1) * dilation + 1)
    counts.forEach((count, place) => {
      for (let tap = 0; tap < kernel; tap++) spread[place * stride + tap * dilation] += count
    })
    const most = spread.reduce((one, other) => Math.max(one, other))
    counts = spread.map((count) => count / most)
  }
  return counts
}

const conv = (kernel: number, stride = 1, count = 1): Layer[] =>
  Array.from({ length: count }, () => ({ kernel, stride, dilation: 1 }))

/** Stacks with a name, and the side of an image to see them on. */
export const STACKS = {
  six: { side: 6, layers: conv(3, 1, 2) },
  vgg: { side: 224, layers: [2, 2, 3, 3, 3].flatMap((count) => [...conv(3, 1, count), ...conv(2, 2)]) },
  dcgan: { side: 64, layers: [...conv(4, 2, 4), ...conv(4)] },
  patch: { side: 256, layers: [...conv(4, 2, 3), ...conv(4, 1, 2)] },
  dilated: { side: 32, layers: [1, 2, 4].map((dilation) => ({ kernel: 3, stride: 1, dilation })) },
} satisfies Record<string, { side: number; layers: Layer[] }>
