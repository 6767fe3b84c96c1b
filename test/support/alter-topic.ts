/** An operator's hand on a topic's configuration, while workers run. */
import { createRequire } from 'node:module'
import type * as Kafkajs from 'kafkajs'
import { withAdmin } from './topics.js'

/** Replaces what was set on the topic before. */
export async function alterTopic(name: string, config: Readonly<Record<string, string>>): Promise<void> {
  const { ConfigResourceTypes } = createRequire(import.meta.url)('kafkajs') as typeof Kafkajs
  await withAdmin((admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: ConfigResourceTypes.TOPIC,
          name,
          configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
        },
      ],
    }),
  )
}
