import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Market Spread on Kafka Streams, as somebody who knows Kafka Streams well would write it: one sub-topology, a RocksDB store
 * with caching, keys that stay bytes, a state of 17 bytes. Same rule, same input and same output as src/market-spread.
 *
 * <p>Arguments: name=value. Those that {@link Options} does not name are settings of Kafka Streams, and go before what stands
 * here.
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

  private static Topology topology(Options options) {
    Serde<byte[]> bytes = Serdes.ByteArray();
    return new Topology()
        .addSource("market-data", bytes.deserializer(), bytes.deserializer(), options.topic("market-data"))
        .addSource("orders", bytes.deserializer(), bytes.deserializer(), options.topic("orders"))
        .addProcessor("update", UpdateMarketData::new, "market-data")
        .addProcessor("check", CheckOrder::new, "orders")
        .addStateStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), bytes, pricesSerde()).withCachingEnabled(),
            "update",
            "check")
        .addSink("rejections", options.rejections(), bytes.serializer(), bytes.serializer(), "check");
  }

  /**
   * @param topicPrefix in front of the names of the sources
   * @param rejections where rejections go
   * @param tuned what an experienced operator changes for short hand-offs: a standby, a short session, leaving on close
   * @param settings of Kafka Streams
   */
  private record Options(String topicPrefix, String rejections, boolean tuned, Map<String, String> settings) {
    private static final Set<String> OWN = Set.of("topicPrefix", "rejections", "tuned");

    static Options of(String[] arguments) {
      Map<String, String> all = new LinkedHashMap<>();
      for (String argument : arguments) {
        int at = argument.indexOf('=');
        if (at < 1) throw new IllegalArgumentException(argument + " is not name=value");
        all.put(argument.substring(0, at), argument.substring(at + 1));
      }
      Map<String, String> settings = new LinkedHashMap<>(all);
      settings.keySet().removeAll(OWN);
      return new Options(
          all.getOrDefault("topicPrefix", ""),
          all.getOrDefault("rejections", "rejections"),
          Boolean.parseBoolean(all.get("tuned")),
          settings);
    }

    String topic(String name) {
      return topicPrefix + name;
    }

    Properties streamsConfig() {
      Properties config = new Properties();
      config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
      config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
      config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
      if (tuned) {
        config.put(StreamsConfig.NUM_STANDBY_REPLICAS_CONFIG, 1);
        config.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
        config.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 500);
        // As many tasks at once as there are: the default of 2 draws a hand-off out.
        config.put(StreamsConfig.MAX_WARMUP_REPLICAS_CONFIG, 8);
        config.put(StreamsConfig.PROBING_REBALANCE_INTERVAL_MS_CONFIG, 60_000); // the least that is allowed
      }
      config.putAll(settings);
      return config;
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    Options options = Options.of(arguments);
    KafkaStreams streams = new KafkaStreams(topology(options), options.streamsConfig());
    CountDownLatch ended = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          ended.countDown();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  if (options.tuned())
                    streams.close(CloseOptions.groupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
                  else streams.close();
                  ended.countDown();
                }));
    streams.start();
    ended.await();
  }
}
