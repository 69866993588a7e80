/** What a page says of runs. */

import type { Row, Run } from './live.svelte'
import { settings } from './settings.svelte'

export interface Curve {
  name: string
  points: (readonly [number, number])[]
}

const ASIDE = new Set(['images', 'epoch', 'seconds', 'network', 'data', 'of'])
const STATES: Record<Run['state'], [string, string]> = {
  queued: ['waits for its turn', '排队中'],
  starting: ['starting', '启动中'],
  running: ['running', '训练中'],
  stopped: ['stopped', '已停止'],
  finished: ['finished', '已完成'],
  failed: ['failed', '失败'],
  broken: ['cannot be read', '无法读取'],
}

export const stateWords = (state: Run['state']): string => STATES[state][settings.language === 'zh' ? 1 : 0]

/** Curves of a log by what they are: learning rates apart from losses. */
export function curvesOf(rows: readonly Row[]): { title: string; curves: Curve[] }[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => !ASIDE.has(name))
  const groups = new Map<string, Curve[]>()
  for (const name of names) {
    const points = rows
      .filter((row) => typeof row[name] === 'number')
      .map((row) => [Number(row.images), row[name] as number] as const)
    if (!points.length) continue
    const title = /rate/.test(name) ? 'learning rate' : 'loss'
    groups.set(title, [...(groups.get(title) ?? []), { name, points }])
  }
  return [...groups].map(([title, curves]) => ({ title, curves }))
}

/** Minutes that are left of a run, by its last rows; null where they do not say. */
export function left(rows: readonly Row[], total: number): number | null {
  const last = rows.slice(-5)
  if (last.length < 2) return null
  const images = Number(last.at(-1)!.images) - Number(last[0].images)
  const seconds = Number(last.at(-1)!.seconds) - Number(last[0].seconds)
  return images > 0 && seconds > 0 ? ((total - Number(last.at(-1)!.images)) * seconds) / images / 60 : null
}
