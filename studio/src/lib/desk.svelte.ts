/** What lies on the desk of the pages Style, See and Translate: it stays when one goes to another page and back. */

import type { Given } from './api'

export interface Style {
  picture: Given
  weight: number
  mask: Given | null
}

export const desk = $state({
  photo: null as Given | null,
  styles: [] as Style[],
  masked: false,
  alpha: 1,
  style_size: 512,
  keep: '',
  preset: 'draft' as 'draft' | 'fine',
  run: '',
  seen: null as Given | null,
  score: 0.5,
  source: null as Given | null,
  to: 'b' as 'a' | 'b',
})
