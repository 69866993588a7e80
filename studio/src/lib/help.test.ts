import { expect, test } from 'vitest'

import { hint } from './help'

test.each([
  ['', ''],
  ['at least 32', '至少 32'],
  ['from 1 to 8,192', '1 至 8,192'],
  ['from 0, below 1', '至少 0，小于 1'],
  ['above 0, to 1', '大于 0，至多 1'],
  ['above 0, below 0.5', '大于 0，小于 0.5'],
])('%j is %j in Chinese', (english, chinese) => {
  expect(hint(english)).toBe(chinese)
})
