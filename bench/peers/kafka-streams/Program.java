import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * What the programs of the benchmarks share: arguments, settings, and the life of a process.
 *
 * <p>Arguments: name=value. Those that a program does not name as its own are settings of Kafka Streams, and go before those
 * of the program.
 */
record Program(Map<String, String> arguments, Map<String, String> settings) {
  static Program of(String[] arguments, Set<String> own) {
    Map<String, String> all = new LinkedHashMap<>();
    for (String argument : arguments) {
      int at = argument.indexOf('=');
      if (at < 1) throw new IllegalArgumentException(argument + " is not name=value");
      all.put(argument.substring(0, at), argument.substring(at + 1));
    }
    Map<String, String> settings = new LinkedHashMap<>(all);
    settings.keySet().removeAll(own);
    return new Program(all, settings);
  }

  String own(String name, String otherwise) {
    return arguments.getOrDefault(name, otherwise);
  }

  String topic(String name) {
    return own("topicPrefix", "") + name;
  }

  /** To be followed by {@link #settings}. */
  Properties config() {
    Properties config = new Properties();
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    return config;
  }

  /** Until the process is told to end, or it fails. */
  void run(Topology topology, Properties config, boolean leavesGroup) throws InterruptedException {
    KafkaStreams streams = new KafkaStreams(topology, config);
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
                  if (leavesGroup)
                    streams.close(CloseOptions.groupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
                  else streams.close();
                  ended.countDown();
                }));
    streams.start();
    ended.await();
  }
}
