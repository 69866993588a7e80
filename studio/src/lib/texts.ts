/** Texts stand in both languages side by side, in the component that shows them: one that is missing does not compile. */

import { settings } from './settings.svelte'

export interface Text {
  en: string
  zh: string
}

/** The texts in the language of the moment: reading one in a component follows the choice. `{name}` in a text is filled
    in by `fill`. */
export function texts<T extends Record<string, Text>>(all: T): { readonly [name in keyof T]: string } {
  const found = {} as { [name in keyof T]: string }
  for (const name of Object.keys(all) as (keyof T & string)[]) {
    Object.defineProperty(found, name, { get: () => all[name][settings.language], enumerable: true })
  }
  return found
}

/** What pages are called. */
export const named = texts({
  plane: { en: 'Plane', zh: '平面' },
  draw: { en: 'Draw', zh: '生成' },
  style: { en: 'Style', zh: '风格' },
  see: { en: 'See', zh: '识别' },
  translate: { en: 'Translate', zh: '翻译' },
  train: { en: 'Train', zh: '训练' },
  game: { en: 'Game', zh: '博弈' },
  theory: { en: 'Theory', zh: '理论' },
})

export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole))
}
