import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The applications of the routing benchmark on Kafka Streams: word count as its DSL has it, and up to three counters in a row,
 * each by another key, behind repartition topics. Same input and same output as examples/word-count and
 * bench/staged-application.ts.
 *
 * <p>Arguments: those of {@link Program}; topology, words or stages; source and sink, names of topics; stages, how many;
 * partitions, of the repartition topics; caching, whether word count's store has a cache, which lets the last count alone
 * through of those of one commit interval.
 */
public final class Routing {
  record Line(String text) {}

  record WordCount(String word, long n) {}

  /** Counts are those of its keys so far, of the stages behind it. */
  record Message(
      long id, String first, String second, String third, Integer firstCount, Integer secondCount, Integer thirdCount) {

    String key(int stage) {
      return stage == 0 ? first : stage == 1 ? second : third;
    }

    Message counted(int stage, int count) {
      return new Message(
          id,
          first,
          second,
          third,
          stage == 0 ? (Integer) count : firstCount,
          stage == 1 ? (Integer) count : secondCount,
          stage == 2 ? (Integer) count : thirdCount);
    }
  }

  private static Topology words(Program program) {
    Pattern word = Pattern.compile("\\p{L}+");
    boolean caching = Boolean.parseBoolean(program.own("caching", "true"));
    Materialized<String, Long, KeyValueStore<Bytes, byte[]>> total =
        Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("total")
            .withKeySerde(Serdes.String())
            .withValueSerde(Serdes.Long());
    StreamsBuilder builder = new StreamsBuilder();
    builder
        .stream(program.topic(program.own("source", "lines")), Consumed.with(Serdes.ByteArray(), Json.of(Line.class)))
        .flatMapValues(line -> wordsOf(word, line.text.toLowerCase()))
        .groupBy((key, value) -> value, Grouped.with("total", Serdes.String(), Serdes.String()))
        .count(caching ? total.withCachingEnabled() : total.withCachingDisabled())
        .toStream()
        .mapValues(WordCount::new)
        .to(program.topic(program.own("sink", "counts")), Produced.with(Serdes.String(), Json.of(WordCount.class)));
    return builder.build();
  }

  private static List<String> wordsOf(Pattern word, String text) {
    List<String> found = new ArrayList<>();
    Matcher matcher = word.matcher(text);
    while (matcher.find()) found.add(matcher.group());
    return found;
  }

  private static Topology stages(Program program) {
    int stages = Integer.parseInt(program.own("stages", "1"));
    int partitions = Integer.parseInt(program.own("partitions", "1"));
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, Message> stream =
        builder.stream(program.topic(program.own("source", "messages")), Consumed.with(Serdes.String(), Json.of(Message.class)));
    for (int i = 0; i < stages; i++) {
      int stage = i;
      String store = "stage-" + (stage + 1);
      builder.addStateStore(
          Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(store), Serdes.String(), Serdes.Integer())
              .withCachingEnabled());
      if (stage > 0)
        stream =
            stream
                .selectKey((key, message) -> message.key(stage))
                .repartition(
                    Repartitioned.<String, Message>as(store)
                        .withNumberOfPartitions(partitions)
                        .withKeySerde(Serdes.String())
                        .withValueSerde(packed()));
      stream = stream.processValues(() -> new Count(store, stage), store);
    }
    stream.to(program.topic(program.own("sink", "outputs")), Produced.with(Serdes.String(), Json.of(Message.class)));
    return builder.build();
  }

  private static final class Count implements FixedKeyProcessor<String, Message, Message> {
    private final String store;
    private final int stage;
    private FixedKeyProcessorContext<String, Message> context;
    private KeyValueStore<String, Integer> counts;

    Count(String store, int stage) {
      this.store = store;
      this.stage = stage;
    }

    @Override
    public void init(FixedKeyProcessorContext<String, Message> context) {
      this.context = context;
      this.counts = context.getStateStore(store);
    }

    @Override
    public void process(FixedKeyRecord<String, Message> record) {
      Integer before = counts.get(record.key());
      int count = before == null ? 1 : before + 1;
      counts.put(record.key(), count);
      context.forward(record.withValue(record.value().counted(stage, count)));
    }
  }

  /** For repartition topics, which nobody else reads: smaller and faster than JSON. */
  private static Serde<Message> packed() {
    return Serdes.serdeFrom(
        (topic, message) -> {
          ByteArrayOutputStream bytes = new ByteArrayOutputStream(64);
          try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeLong(message.id);
            out.writeUTF(message.first);
            out.writeUTF(message.second);
            out.writeUTF(message.third);
            for (Integer count : new Integer[] {message.firstCount, message.secondCount, message.thirdCount})
              out.writeInt(count == null ? 0 : count);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
          return bytes.toByteArray();
        },
        (topic, bytes) -> {
          try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            return new Message(
                in.readLong(), in.readUTF(), in.readUTF(), in.readUTF(), countIn(in), countIn(in), countIn(in));
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  private static Integer countIn(DataInputStream in) throws IOException {
    int count = in.readInt();
    return count == 0 ? null : (Integer) count;
  }

  public static void main(String[] arguments) throws InterruptedException {
    Set<String> own = Set.of("topicPrefix", "topology", "source", "sink", "stages", "partitions", "caching");
    Program program = Program.of(arguments, own);
    Properties config = program.config();
    config.putAll(program.settings());
    boolean isWords = program.own("topology", "").equals("words");
    program.run(isWords ? words(program) : stages(program), config, false);
  }
}
