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
  connected: false,
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
const watchers = new Map<string, (rows: Row[] | null, measures: Row[] | null) => void>()

export function connect(): void {
  socket = new WebSocket(`ws://${location.host}/live`)
  socket.binaryType = 'arraybuffer'
  socket.onopen = () => {
    world.connected = true
    say({ watch: [...watchers.keys()] })
  }
  socket.onclose = () => {
    world.connected = false
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
    if (said.ready === 'ready') void get<Record<string, System>>('/api/systems').then((all) => (world.systems = all))
  } else if (said.event === 'runs') world.runs = said.runs
  else if (said.event === 'rows') watchers.get(said.run)?.(said.rows, said.measures)
  else if (said.event === 'work') world.work[said.id] = said
  else if (said.canvas) movers.get(said.canvas)?.fail(said.fault)
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
  private under = false
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

  private next(): void {
    if (!this.newest || !say({ ...this.newest, canvas: this.canvas })) return
    this.newest = null
    this.under = true
  }

  arrive(frame: Frame): void {
    this.under = false
    this.show(frame)
    this.next()
  }

  fail(line: string): void {
    this.under = false
    this.fault(line)
    this.next()
  }

  lost(): void {
    this.under = false
  }

  close(): void {
    if (movers.get(this.canvas) === this) movers.delete(this.canvas)
  }
}

/** Follows the rows of a run; returns what ends it. */
export function watch(run: string, show: (rows: Row[] | null, measures: Row[] | null) => void): () => void {
  watchers.set(run, show)
  say({ watch: [...watchers.keys()] })
  return () => {
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
