/** Pictures of the game: a square of shares in two colours, and points over it. */

import { REACH, SIDE } from './density'

export type Colour = readonly [number, number, number]

/** A colour of the style sheet as it is now, for a canvas. */
export function colourOf(element: Element, name: string): Colour {
  const probe = document.createElement('i')
  probe.style.color = `var(${name})`
  element.append(probe)
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g) ?? []
  probe.remove()
  return [Number(parts[0] ?? 0), Number(parts[1] ?? 0), Number(parts[2] ?? 0)]
}

/** Shares as pixels: `ground` for one half, towards `real` at 1 and `made` at 0. */
export function shade(shares: Float32Array, ground: Colour, real: Colour, made: Colour): ImageData {
  const image = new ImageData(SIDE, SIDE)
  shares.forEach((share, pixel) => {
    const side = share > 0.5 ? real : made
    const weight = Math.min(1, Math.abs(2 * share - 1)) * 0.55
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * pixel + channel] = ground[channel] + weight * (side[channel] - ground[channel])
    }
    image.data[4 * pixel + 3] = 255
  })
  return image
}

/** `values` between their least and their largest, as shares. */
export function stretched(values: Float32Array): Float32Array {
  const least = values.reduce((one, other) => Math.min(one, other))
  const most = values.reduce((one, other) => Math.max(one, other))
  return values.map((value) => (value - least) / (most - least || 1))
}

const across = (value: number, side: number): number => ((value + REACH) / 2 / REACH) * side

export function dots(canvas: CanvasRenderingContext2D, points: Float32Array, colour: string, size: number): void {
  const side = canvas.canvas.width
  canvas.fillStyle = colour
  for (let place = 0; place < points.length; place += 2) {
    canvas.fillRect(across(points[place], side) - size / 2, across(-points[place + 1], side) - size / 2, size, size)
  }
}

/** Lines from points the way they are pulled, (x, y, right, up): the longest an eighth of the picture. */
export function pulls(canvas: CanvasRenderingContext2D, arrows: Float32Array, colour: string): void {
  const side = canvas.canvas.width
  let longest = 0
  for (let place = 0; place < arrows.length; place += 4) {
    longest = Math.max(longest, Math.hypot(arrows[place + 2], arrows[place + 3]))
  }
  const scale = side / 8 / (longest || 1)
  canvas.strokeStyle = colour
  canvas.lineWidth = side / 300
  canvas.beginPath()
  for (let place = 0; place < arrows.length; place += 4) {
    const [x, y] = [across(arrows[place], side), across(-arrows[place + 1], side)]
    canvas.moveTo(x, y)
    canvas.lineTo(x + scale * arrows[place + 2], y - scale * arrows[place + 3])
  }
  canvas.stroke()
}
