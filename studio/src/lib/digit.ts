/** A drawn digit as those of MNIST are: in a box of 20×20 pixels, its centre of mass in the middle of 28×28. */

const SIDE = 28
const BOX = 20

/** Grey levels in [0, 1], 28×28, of strokes drawn in white on black, of any size. All black of nothing. */
export function asDigit(drawn: ImageData): Float32Array {
  const { width, height, data } = drawn
  let [left, top, right, bottom] = [width, height, -1, -1]
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (data[4 * (y * width + x)] > 16) {
        left = Math.min(left, x)
        right = Math.max(right, x)
        top = Math.min(top, y)
        bottom = Math.max(bottom, y)
      }
  const made = new Float32Array(SIDE * SIDE)
  if (right < 0) return made
  const scale = BOX / Math.max(right - left + 1, bottom - top + 1)
  const box = new Float32Array(SIDE * SIDE)
  const counts = new Float32Array(SIDE * SIDE)
  for (let y = top; y <= bottom; y++)
    for (let x = left; x <= right; x++) {
      const place = SIDE * Math.min(BOX - 1, Math.floor((y - top) * scale)) + Math.min(BOX - 1, Math.floor((x - left) * scale))
      box[place] += data[4 * (y * width + x)] / 255
      counts[place] += 1
    }
  let [mass, across, down] = [0, 0, 0]
  for (let place = 0; place < box.length; place++) {
    if (counts[place]) box[place] /= counts[place]
    mass += box[place]
    across += box[place] * (place % SIDE)
    down += box[place] * Math.floor(place / SIDE)
  }
  const shiftX = Math.round((SIDE - 1) / 2 - across / mass)
  const shiftY = Math.round((SIDE - 1) / 2 - down / mass)
  for (let y = 0; y < BOX; y++)
    for (let x = 0; x < BOX; x++) {
      const [toX, toY] = [x + shiftX, y + shiftY]
      if (toX >= 0 && toX < SIDE && toY >= 0 && toY < SIDE) made[SIDE * toY + toX] = box[SIDE * y + x]
    }
  return made
}

/** The same as a PNG. */
export async function asPNG(levels: Float32Array): Promise<Blob> {
  const canvas = new OffscreenCanvas(SIDE, SIDE)
  const context = canvas.getContext('2d')!
  const image = context.createImageData(SIDE, SIDE)
  levels.forEach((level, place) => {
    image.data.fill(Math.round(255 * level), 4 * place, 4 * place + 3)
    image.data[4 * place + 3] = 255
  })
  context.putImageData(image, 0, 0)
  return canvas.convertToBlob({ type: 'image/png' })
}
