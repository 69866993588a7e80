/** Anchor boxes as `sfumato.ops.anchors`: laid over a map, assigned to objects. Shares of a square image's side. */

export type Box = readonly [left: number, top: number, right: number, bottom: number]

/** The maps of TinySSD: their sides, and the sizes of the anchors on each. */
export const MAPS: readonly { side: number; sizes: readonly number[] }[] = [
  { side: 32, sizes: [0.2, 0.272] },
  { side: 16, sizes: [0.37, 0.447] },
  { side: 8, sizes: [0.54, 0.619] },
  { side: 4, sizes: [0.71, 0.79] },
  { side: 1, sizes: [0.88, 0.961] },
]

/** Widths and heights: every size with the first ratio, then the first size with every other ratio. */
export function priorSides(sizes: readonly number[], ratios: readonly number[]): [number, number][] {
  const shapes = [...sizes.map((size) => [size, ratios[0]]), ...ratios.slice(1).map((ratio) => [sizes[0], ratio])]
  return shapes.map(([size, ratio]) => [size * Math.sqrt(ratio), size / Math.sqrt(ratio)])
}

/** Boxes of these widths and heights around the centre of each pixel of a map, rows first; not cut off. */
export function laid(side: number, shapes: readonly (readonly [number, number])[]): Box[] {
  return Array.from({ length: side * side }, (_, pixel) => {
    const [x, y] = [((pixel % side) + 0.5) / side, (Math.floor(pixel / side) + 0.5) / side]
    return shapes.map(([wide, high]): Box => [x - wide / 2, y - high / 2, x + wide / 2, y + high / 2])
  }).flat()
}

const area = (box: Box): number => (box[2] - box[0]) * (box[3] - box[1])

/** Intersection over union. */
export function overlap(one: Box, other: Box): number {
  const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0])
  const high = Math.min(one[3], other[3]) - Math.max(one[1], other[1])
  const shared = Math.max(0, wide) * Math.max(0, high)
  return shared / (area(one) + area(other) - shared)
}

/** The number of the object that each anchor is trained for, or -1. An anchor goes to the object that it overlaps most,
    if by `threshold` at least; then, best overlap first, each object gets one anchor of its own. */
export function assign(objects: readonly Box[], anchors: readonly Box[], threshold = 0.5): Int32Array {
  const overlaps = anchors.map((anchor) => objects.map((object) => overlap(anchor, object)))
  const assigned = Int32Array.from(overlaps, (row) => {
    const best = Math.max(...row)
    return best >= threshold ? row.indexOf(best) : -1
  })
  const [free, waiting] = [new Set(anchors.keys()), new Set(objects.keys())]
  while (free.size && waiting.size) {
    let [best, anchor, object] = [-1, -1, -1]
    for (const place of free) {
      for (const own of waiting) {
        if (overlaps[place][own] > best) [best, anchor, object] = [overlaps[place][own], place, own]
      }
    }
    assigned[anchor] = object
    free.delete(anchor)
    waiting.delete(object)
  }
  return assigned
}
