/** Plays games off the page's thread: told what to do, it answers with what there is to see. */

import { Game, type Look, type Rules } from './game'

export interface Order {
  rules: Rules
  speed: number // steps between two looks; 0 stops
  steps?: number // so many now, though it stands
  anew?: boolean // a new game by these rules; else the old one goes on by them
}

const LOOKS = 15 // a second at most
const SLICE = 30 // milliseconds after which orders are heard again

let game: Game
let speed = 0
let left = 0 // steps to the next look
let waiting: ReturnType<typeof setTimeout> | undefined

function show(): void {
  const look: Look = game.look()
  const parts = [look.made, look.arrows, look.discriminator, look.best]
  postMessage(look, { transfer: parts.map((part) => part.buffer) })
}

function run(): void {
  const began = performance.now()
  while (left > 0 && performance.now() - began < SLICE) {
    game.play()
    left--
  }
  if (left > 0) waiting = setTimeout(run)
  else {
    show()
    if (speed) {
      left = speed
      waiting = setTimeout(run, 1000 / LOOKS)
    }
  }
}

self.onmessage = ({ data }: MessageEvent<Order>) => {
  const { rules, anew, steps = 0 } = data
  if (anew) game = new Game(rules)
  else game.rules = rules
  if (anew || speed || !steps) left = 0 // else these steps come after those that are waited for
  left += steps
  speed = data.speed
  clearTimeout(waiting)
  run()
}
