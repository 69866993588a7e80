/** The socket: moves up, pictures down, and what happens meanwhile. */

import { get } from './api'

export interface Run {
  id: string
  name: string
  state: 'queued' | 'starting' | 'running' | 'stopped' | 'finished' | 'failed' | 'broken'
  fault: string
  system: string
  preset: string
  data: string
  classes: string[]
  images: number
  total: number
  samples: number[]
  shipped: boolean
}

export type Trait =
  | 'draws'
  | 'encodes'
  | 'restyles'
  | 'translates'
  | 'names_classes'
  | 'conditional'
  | 'styled'
  | 'grows'

export interface System {
  name: string
  family: string
  idea: string
  paper: string
  presets: string[]
  traits: Trait[]
  data: string[]
}

export interface Frame {
  canvas: string
  width: number
  height: number
  format: 'grey' | 'rgb' | 'jpeg'
  bytes: Uint8Array<ArrayBuffer>
  [more: string]: unknown
}

export interface Work {
  id: string
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'
  done: number
  total: number
  fault: string
  result: Record<string, unknown>
}

export type Row = Record<string, number | string | null>

export const world = $state({
  lost: false,
  refused: '',
  ready: 'starting' as 'starting' | 'ready' | 'failed',
  version: '',
  folder: '',
  data: '',
  offline: false,
  runs: [] as Run[],
  systems: {} as Record<string, System>,
  work: {} as Record<string, Work>,
})

let socket: WebSocket | null = null
const movers = new Map<string, Mover>()
type Watcher = (rows: Row[] | null, measures: Row[] | null) => void
const watchers = new Map<string, { shows: Set<Watcher>; rows: Row[] | null; measures: Row[] | null }>()
let asked = 0 // requests, of all movers

export function connect(): void {
  socket = new WebSocket(`ws://${location.host}/live`)
  socket.binaryType = 'arraybuffer'
  socket.onopen = () => {
    world.lost = false
    say({ watch: [...watchers.keys()] })
    for (const mover of movers.values()) mover.next()
  }
  socket.onclose = () => {
    world.lost = true
    for (const mover of movers.values()) mover.lost()
    if (!world.refused) setTimeout(connect, 1000)
  }
  socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
    if (typeof event.data === 'string') hear(JSON.parse(event.data))
    else picture(event.data)
  }
}

function hear(said: any): void {
  if (said.event === 'state') {
    world.ready = said.ready
    world.version = said.version
    world.folder = said.runs
    world.data = said.data
    world.offline = said.offline
    if (said.ready === 'ready' && !Object.keys(world.systems).length) void get<Record<string, System>>('/api/systems').then((all) => (world.systems = all))
  } else if (said.event === 'runs') world.runs = said.runs
  else if (said.event === 'rows') {
    const followed = watchers.get(said.run)
    if (!followed) return
    followed.rows = said.rows ?? followed.rows
    followed.measures = said.measures ?? followed.measures
    for (const show of followed.shows) show(said.rows, said.measures)
  }
  else if (said.event === 'work') world.work[said.id] = said
  else if (said.canvas) movers.get(said.canvas)?.fail(said.fault, said.seq)
  else if (said.fault) world.refused = said.fault
}

function picture(content: ArrayBuffer): void {
  const length = new DataView(content).getUint32(0, true)
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length)))
  movers.get(head.canvas)?.arrive({ ...head, bytes: new Uint8Array(content, 4 + length) })
}

function say(message: unknown): boolean {
  if (socket?.readyState !== WebSocket.OPEN) return false
  socket.send(JSON.stringify(message))
  return true
}

/** Asks for pictures of one canvas: one request is under way, the newest waits, the last is always answered. */
export class Mover {
  private under: Record<string, unknown> | null = null
  private seq = 0
  private newest: Record<string, unknown> | null = null

  constructor(
    private canvas: string,
    private show: (frame: Frame) => void,
    private fault: (line: string) => void = () => {},
  ) {
    movers.set(canvas, this)
  }

  ask(message: Record<string, unknown>): void {
    this.newest = message
    if (!this.under) this.next()
  }

  next(): void {
    if (!this.newest || !say({ ...this.newest, canvas: this.canvas, seq: ++asked })) return
    this.under = this.newest
    this.seq = asked
    this.newest = null
  }

  /** `seq`: of the request that this answers; one of the canvas's last owner is nobody's any more. */
  private answered(seq: unknown, show: () => void): void {
    if (seq !== this.seq) return
    this.under = null
    show()
    if (!this.under) this.next()
  }

  arrive(frame: Frame): void {
    this.answered(frame.seq, () => this.show(frame))
  }

  fail(line: string, seq: unknown): void {
    this.answered(seq, () => this.fault(line))
  }

  /** The connection is: what was under way is asked again over the next one. */
  lost(): void {
    this.newest ??= this.under
    this.under = null
  }

  close(): void {
    if (movers.get(this.canvas) === this) movers.delete(this.canvas)
  }
}

/** Follows the rows of a run; returns what ends it. */
export function watch(run: string, show: Watcher): () => void {
  const followed = watchers.get(run) ?? { shows: new Set<Watcher>(), rows: null, measures: null }
  followed.shows.add(show)
  if (watchers.has(run)) show(followed.rows, followed.measures)
  else {
    watchers.set(run, followed)
    say({ watch: [...watchers.keys()] })
  }
  return () => {
    followed.shows.delete(show)
    if (followed.shows.size) return
    watchers.delete(run)
    say({ watch: [...watchers.keys()] })
  }
}

/** Runs, usable ones, whose system has a trait. */
export function able(trait: Trait): Run[] {
  return world.runs.filter(
    (run) => (run.images > 0 || run.shipped) && world.systems[run.system]?.traits.includes(trait),
  )
}
