/** Rules that end as their name says. What they reach was measured: see the tests. */

import type { Rules } from './game'

export const PRESETS = ['balanced', 'collapse', 'oscillation', 'strong'] as const
export type Preset = (typeof PRESETS)[number]

const balanced: Rules = {
  data: 'ring',
  objective: 'non_saturating',
  discriminatorSteps: 1,
  generatorRate: 2e-3,
  discriminatorRate: 2e-3,
  clip: 0.3,
  seed: 1,
}

/** What Wasserstein's critic is given when it is chosen: on this scale another limit than the paper's. */
export const CRITIC: Partial<Rules> = { discriminatorSteps: 5, generatorRate: 1e-3, discriminatorRate: 2e-3, clip: 0.3 }

export const RULES: Record<Preset, Rules> = {
  balanced,
  collapse: { ...balanced, discriminatorSteps: 5, generatorRate: 1e-3, discriminatorRate: 1e-2 },
  oscillation: { ...balanced, generatorRate: 2e-2, discriminatorRate: 1e-3 },
  strong: { ...balanced, objective: 'minimax', discriminatorSteps: 5, generatorRate: 2e-4, discriminatorRate: 2e-2 },
}
