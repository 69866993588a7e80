/** Which way an arrow key points, (right, down), and the page does not scroll; undefined for other keys. */
export function arrowOf(event: KeyboardEvent): [number, number] | undefined {
  const place = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'].indexOf(event.key)
  if (place < 0) return undefined
  event.preventDefault()
  const step = place % 2 ? 1 : -1
  return place < 2 ? [step, 0] : [0, step]
}
