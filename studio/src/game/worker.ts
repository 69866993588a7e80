/** Plays games off the page's thread: told what to do, it answers with what there is to see. */

import { Game, type Look, type Rules } from './game'

export interface Order {
  rules?: Rules
  anew?: boolean // a new game by these rules; else the old one goes on by them
  speed?: number // steps between two looks; 0 stops
  steps?: number // so many now, though it stands
}

const LOOKS = 15 // a second at most
const SLICE = 30 // milliseconds after which orders are heard again

let game: Game | undefined
let speed = 0
let waiting: ReturnType<typeof setTimeout> | undefined

function show(): void {
  const look: Look = game!.look()
  const parts = [look.made, look.arrows, look.discriminator, look.best]
  postMessage(look, { transfer: parts.map((part) => part.buffer) })
}

function run(left: number): void {
  const began = performance.now()
  while (left > 0 && performance.now() - began < SLICE) {
    game!.play()
    left--
  }
  if (left > 0) waiting = setTimeout(run, 0, left)
  else {
    show()
    if (speed) waiting = setTimeout(run, 1000 / LOOKS, speed)
  }
}

self.onmessage = ({ data }: MessageEvent<Order>) => {
  if (data.rules && (data.anew || !game)) game = new Game(data.rules)
  else if (data.rules) game!.rules = data.rules
  if (data.speed !== undefined) speed = data.speed
  clearTimeout(waiting)
  run(data.steps ?? (data.anew ? 0 : speed))
}
