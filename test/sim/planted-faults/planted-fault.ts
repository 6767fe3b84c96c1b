import type { Plant } from '../compile.mjs'

export interface PlantedFault {
  readonly what: string
  readonly plants: readonly Plant[]
}
