/**
 * ApiVersions, version 3: the first whose answer has the features that the cluster has finalized. kafkajs knows versions
 * up to 2.
 *
 *     Request => Tags SoftwareName SoftwareVersion Tags
 *     Response => ErrorCode [ApiKey MinVersion MaxVersion Tags] ThrottleTimeMs Tags
 *       Tag 1 => FinalizedFeaturesEpoch
 *       Tag 2 => [Name MaxVersionLevel MinVersionLevel Tags]
 *
 * The header of the answer has no tagged fields, so that every client can read it. A broker that doesn't know version 3
 * answers UNSUPPORTED_VERSION in version 0.
 */
import type { ApiVersions } from './kafkajs.js'
import type { Prepared } from './prepared.js'
import { WireReader, WireWriter } from './wire.js'

/** What a broker says of itself when a connection is opened. */
export interface Greeting {
  readonly versions: ApiVersions
  /** The levels of the cluster's features; empty where they are not known. */
  readonly finalized: ReadonlyMap<string, number>
}
export interface ApiVersionsAnswer extends Greeting {
  readonly throttleTimeMs?: number
  readonly errorCode: number
}

/** Brokers count their clients by it, in metrics; it must be letters, digits, points and hyphens. */
const SOFTWARE = { name: 'potoroo', version: '1' }

export const apiVersions: Prepared<ApiVersionsAnswer> = {
  apiKey: 18,
  apiVersion: 3,
  apiName: 'ApiVersions',
  encode: () =>
    new WireWriter()
      .unsignedVarint(0)
      .compactString(SOFTWARE.name)
      .compactString(SOFTWARE.version)
      .unsignedVarint(0)
      .parts(),
  decode,
}

function decode(payload: Buffer): ApiVersionsAnswer {
  const reader = new WireReader(payload)
  const errorCode = reader.int16()
  // It may be of version 0, and says no more that is wanted.
  if (errorCode !== 0) return { errorCode, versions: {}, finalized: new Map() }
  const ranges = reader.compactArray(() => {
    const apiKey = reader.int16()
    const minVersion = reader.int16()
    const maxVersion = reader.int16()
    reader.tags()
    return [apiKey, { minVersion, maxVersion }] as const
  })
  const throttleTimeMs = reader.int32()
  let featuresEpoch = -1
  let features: readonly (readonly [string, number])[] = []
  reader.tags((tag) => {
    if (tag === 1) featuresEpoch = reader.int64()
    else if (tag === 2) {
      features = reader.compactArray(() => {
        const name = reader.compactString() ?? ''
        const level = reader.int16()
        reader.int16()
        reader.tags()
        return [name, level] as const
      })
    }
  })
  // Without an epoch the list is not valid.
  const finalized = new Map(featuresEpoch < 0 ? [] : features)
  return { throttleTimeMs, errorCode, versions: Object.fromEntries(ranges), finalized }
}
