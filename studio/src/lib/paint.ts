/** Pictures onto canvases. */

import type { Frame } from './live.svelte'

/** Draws a frame; a part of it if `left` and `width` say which columns. Nothing if the canvas has gone with its page. */
export async function paint(canvas: HTMLCanvasElement | null, frame: Frame, left = 0, width = frame.width): Promise<void> {
  if (!canvas) return
  const bitmap = frame.format === 'jpeg' ? await createImageBitmap(new Blob([frame.bytes], { type: 'image/jpeg' })) : null
  canvas.width = width
  canvas.height = frame.height
  const context = canvas.getContext('2d')!
  if (bitmap) {
    context.drawImage(bitmap, left, 0, width, frame.height, 0, 0, width, frame.height)
    bitmap.close()
    return
  }
  const image = context.createImageData(frame.width, frame.height)
  const { data } = image
  const { bytes } = frame
  if (frame.format === 'grey') {
    for (let i = 0, j = 0; i < bytes.length; i++, j += 4) {
      data[j] = data[j + 1] = data[j + 2] = bytes[i]
      data[j + 3] = 255
    }
  } else {
    for (let i = 0, j = 0; i < bytes.length; i += 3, j += 4) {
      data[j] = bytes[i]
      data[j + 1] = bytes[i + 1]
      data[j + 2] = bytes[i + 2]
      data[j + 3] = 255
    }
  }
  context.putImageData(image, -left, 0)
}

/** A colour for each class, told apart by eye, on either ground. */
export const hue = (index: number, count: number): string =>
  `hsl(${Math.round((360 * index) / Math.max(1, count))} 65% 52%)`

export const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name)
