import java.time.Duration;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.WindowStore;

/**
 * How often each key came in each window, as Kafka Streams' DSL has it. Same input and same output as
 * bench/windowed-application.ts.
 *
 * <p>Final results come by suppress: emitting on the close of windows holds back what closes within a second of what closed before,
 * until another record comes, which at the end of a backlog does not.
 *
 * <p>Arguments: those of {@link Program}; source and sink, names of topics; sizeMs and graceMs, of the windows; suppress, whether
 * each window comes out once, when it has closed.
 */
public final class WindowedCount {
  record Event(String key) {}

  record Count(String key, long startMs, long n) {}

  private static Topology topology(Program program) {
    Duration size = Duration.ofMillis(Long.parseLong(program.own("sizeMs", "60000")));
    Duration grace = Duration.ofMillis(Long.parseLong(program.own("graceMs", "1000")));
    StreamsBuilder builder = new StreamsBuilder();
    KTable<Windowed<String>, Long> counts =
        builder
            .stream(
                program.topic(program.own("source", "events")), Consumed.with(Serdes.String(), Json.of(Event.class)))
            .groupByKey(Grouped.with(Serdes.String(), Json.of(Event.class)))
            .windowedBy(TimeWindows.ofSizeAndGrace(size, grace))
            .count(
                Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("count")
                    .withKeySerde(Serdes.String())
                    .withValueSerde(Serdes.Long())
                    .withCachingEnabled());
    if (Boolean.parseBoolean(program.own("suppress", "true")))
      counts = counts.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()).withName("final"));
    counts
        .toStream(Named.as("counts"))
        .map(
            (windowed, n) ->
                KeyValue.pair(
                    windowed.key(), new Count(windowed.key(), windowed.window().start(), n)))
        .to(
            program.topic(program.own("sink", "counts")), Produced.with(Serdes.String(), Json.of(Count.class)));
    return builder.build();
  }

  public static void main(String[] arguments) throws InterruptedException {
    Set<String> own = Set.of("topicPrefix", "source", "sink", "sizeMs", "graceMs", "suppress");
    Program program = Program.of(arguments, own);
    Properties config = program.config();
    config.putAll(program.settings());
    program.run(topology(program), config, false);
  }
}
