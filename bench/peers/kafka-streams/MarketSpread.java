import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Market Spread on Kafka Streams, as somebody who knows Kafka Streams well would write it: one sub-topology, a RocksDB store
 * with caching, keys that stay bytes, a state of 17 bytes. Same rule, same input and same output as src/market-spread.
 *
 * <p>Arguments: those of {@link Program}; rejections, the topic where they go; tuned, whether {@link #tune} applies.
 */
public final class MarketSpread {
  private static final String STORE = "symbols";
  private static final double MAX_SPREAD = 0.05;
  private static final ObjectMapper JSON = new ObjectMapper();

  record Quote(String symbol, double bid, double offer, Object time) {}

  record Prices(double bid, double offer, boolean reject) {
    /** Of a symbol without any quote yet. */
    static final Prices NONE = new Prices(0, 0, true);

    static Prices of(Quote quote) {
      double spread = quote.offer - quote.bid;
      double mid = (quote.bid + quote.offer) / 2;
      return new Prices(quote.bid, quote.offer, spread >= MAX_SPREAD || spread / mid >= MAX_SPREAD);
    }
  }

  /** A processor without the boiler plate. */
  private abstract static class OnPrices implements Processor<byte[], byte[], byte[], byte[]> {
    ProcessorContext<byte[], byte[]> context;
    KeyValueStore<byte[], Prices> prices;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.prices = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      try {
        take(record);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    abstract void take(Record<byte[], byte[]> record) throws IOException;
  }

  private static final class UpdateMarketData extends OnPrices {
    @Override
    void take(Record<byte[], byte[]> quote) throws IOException {
      prices.put(quote.key(), Prices.of(JSON.readValue(quote.value(), Quote.class)));
    }
  }

  private static final class CheckOrder extends OnPrices {
    @Override
    void take(Record<byte[], byte[]> order) throws IOException {
      Prices found = prices.get(order.key());
      Prices now = found == null ? Prices.NONE : found;
      // An order is parsed also where it is let through: it could be no order at all.
      ObjectNode rejection = (ObjectNode) JSON.readTree(order.value());
      if (now.reject) {
        rejection.put("bid", now.bid).put("offer", now.offer);
        context.forward(order.withValue(JSON.writeValueAsBytes(rejection)));
      }
    }
  }

  private static Serde<Prices> pricesSerde() {
    return Serdes.serdeFrom(
        (topic, p) ->
            p == null
                ? null
                : ByteBuffer.allocate(17).putDouble(p.bid).putDouble(p.offer).put((byte) (p.reject ? 1 : 0)).array(),
        (topic, bytes) -> {
          if (bytes == null) return null;
          ByteBuffer in = ByteBuffer.wrap(bytes);
          return new Prices(in.getDouble(), in.getDouble(), in.get() == 1);
        });
  }

  private static Topology topology(Program program) {
    Serde<byte[]> bytes = Serdes.ByteArray();
    return new Topology()
        .addSource("market-data", bytes.deserializer(), bytes.deserializer(), program.topic("market-data"))
        .addSource("orders", bytes.deserializer(), bytes.deserializer(), program.topic("orders"))
        .addProcessor("update", UpdateMarketData::new, "market-data")
        .addProcessor("check", CheckOrder::new, "orders")
        .addStateStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), bytes, pricesSerde()).withCachingEnabled(),
            "update",
            "check")
        .addSink("rejections", program.own("rejections", "rejections"), bytes.serializer(), bytes.serializer(), "check");
  }

  /** What an experienced operator changes for short hand-offs: a standby, a short session, leaving on close. */
  private static void tune(Properties config) {
    config.put(StreamsConfig.NUM_STANDBY_REPLICAS_CONFIG, 1);
    config.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
    config.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 500);
    // As many tasks at once as there are: the default of 2 draws a hand-off out.
    config.put(StreamsConfig.MAX_WARMUP_REPLICAS_CONFIG, 8);
    config.put(StreamsConfig.PROBING_REBALANCE_INTERVAL_MS_CONFIG, 60_000); // the least that is allowed
  }

  public static void main(String[] arguments) throws InterruptedException {
    Program program = Program.of(arguments, Set.of("topicPrefix", "rejections", "tuned"));
    boolean tuned = Boolean.parseBoolean(program.own("tuned", "false"));
    Properties config = program.config();
    if (tuned) tune(config);
    config.putAll(program.settings());
    program.run(topology(program), config, tuned);
  }
}
