export interface Versions {
  readonly version: string
  readonly lockVersion: string
  readonly createVersion: string
  readonly changelog: string
  readonly isFinal: boolean
}
export interface Licensed {
  readonly name: string
  readonly licence: string
}
export interface Package {
  readonly name: string
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>
}
export interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string
        readonly license?: string
        readonly dev?: boolean
        readonly devOptional?: boolean
        readonly link?: boolean
      }
    >
  >
}

export function versionProblems(versions: Versions): string[]
export function licencesOf(lock: Lock): Licensed[]
export function licenceProblems(licences: readonly Licensed[]): string[]
export function filesProblems(packageJson: Package, files: readonly string[]): string[]
