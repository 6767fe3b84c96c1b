/** Orders in Avro, whose schemas are in a schema registry; the volume of each symbol comes out in Avro, too. */
import { application, from, stateObject, topic } from 'potoroo'
import { schemaRegistry } from 'potoroo/schema-registry'

export interface Order {
  readonly symbol: string
  readonly quantity: number
  readonly side: 'BUY' | 'SELL'
}
export interface Volume {
  readonly symbol: string
  readonly bought: number
  readonly sold: number
}

/** Without an url, one within the process: for tests. */
export const registry = schemaRegistry({ url: process.env['SCHEMA_REGISTRY_URL'] ?? 'memory:' })

/** As this application reads them: orders of earlier and later versions are resolved to it. */
export const orders = topic('orders', {
  codec: registry.avro<Order>({
    schema: {
      type: 'record',
      name: 'Order',
      namespace: 'shop',
      fields: [
        { name: 'symbol', type: 'string' },
        { name: 'quantity', type: 'long' },
        { name: 'side', type: { type: 'enum', name: 'Side', symbols: ['BUY', 'SELL'] }, default: 'BUY' },
      ],
    },
  }),
  key: (order) => order.symbol,
})

export const volumes = topic('volumes', {
  codec: registry.avro<Volume>({
    register: true,
    schema: {
      type: 'record',
      name: 'Volume',
      namespace: 'shop',
      fields: [
        { name: 'symbol', type: 'string' },
        { name: 'bought', type: 'long' },
        { name: 'sold', type: 'long' },
      ],
    },
  }),
  key: (volume) => volume.symbol,
})

export const volume = stateObject('volume', () => ({ bought: 0, sold: 0 }))

export default application(
  'avro-volumes',
  from(orders)
    .to(volume, (state, { symbol, quantity, side }) => {
      if (side === 'BUY') state.bought += quantity
      else state.sold += quantity
      return { symbol, bought: state.bought, sold: state.sold }
    })
    .sink(volumes),
)
