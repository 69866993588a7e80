/** What two players minimise, as `sfumato.ops.objectives`: losses and their slopes, from logits. */

export const OBJECTIVES = ['minimax', 'non_saturating', 'least_squares', 'wasserstein'] as const
export type Objective = (typeof OBJECTIVES)[number]

export const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit))
const softplus = (value: number): number => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))

/** The share of one logit in the discriminator's loss and the slope there, before either is divided by the batch. */
export function discriminatorLoss(objective: Objective, logit: number, real: boolean): [number, number] {
  const sign = real ? -1 : 1
  if (objective === 'least_squares') {
    const apart = real ? logit - 1 : logit
    return [apart ** 2 / 2, apart]
  }
  if (objective === 'wasserstein') return [sign * logit, sign]
  return [softplus(sign * logit), sign * sigmoid(sign * logit)]
}

/** The same for the generator. */
export function generatorLoss(objective: Objective, logit: number): [number, number] {
  if (objective === 'minimax') return [-softplus(logit), -sigmoid(logit)]
  if (objective === 'non_saturating') return [softplus(-logit), -sigmoid(-logit)]
  if (objective === 'least_squares') return [(logit - 1) ** 2 / 2, logit - 1]
  return [-logit, -1]
}

/** What the discriminator says of a point: a share, but for the critic of Wasserstein, who has no bounds. */
export function says(objective: Objective, logit: number): number {
  return objective === 'minimax' || objective === 'non_saturating' ? sigmoid(logit) : logit
}
