import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecords.RecordFilter.BatchRetention;
import org.apache.kafka.common.record.MemoryRecords.RecordFilter.BatchRetentionResult;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.BufferSupplier;

/**
 * What Kafka's Java classes write, and what they read in it: one JSON object a log, its bytes in base64.
 *
 *   java -cp '<folder of Kafka's jars>/*' JavaBatches.java > batches.ndjson
 *
 * What it printed is kept, so that the test needs no Java compiler; the format is frozen, so nothing is missed by that.
 */
public class JavaBatches {
    static final long TIME = 1_700_000_000_000L;
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        for (CompressionType type : CompressionType.values()) {
            Compression compression = Compression.of(type).build();
            print(type.name + ", small", log(compression, TimestampType.CREATE_TIME, small()));
            print(type.name + ", noise", log(compression, TimestampType.CREATE_TIME, noise()));
            if (type != CompressionType.NONE) print(type.name + ", large", log(compression, TimestampType.CREATE_TIME, large()));
            print(type.name + ", append time", log(compression, TimestampType.LOG_APPEND_TIME, small()));
            print(type.name + ", transactions", transactions(compression));
            print(type.name + ", compacted", compacted(compression));
        }
    }

    static SimpleRecord record(long timestamp, String key, String value, Header... headers) {
        return new SimpleRecord(timestamp, bytes(key), bytes(value), headers);
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static List<SimpleRecord> small() {
        return List.of(
            record(TIME, "AAPL", "{\"symbol\":\"AAPL\",\"bid\":1.5}"),
            record(TIME - 5_000, null, null),
            record(TIME + 86_400_000L * 365, "", ""),
            record(TIME + 1, "häß €\uD83E\uDD98", null, new RecordHeader("größe", bytes("12")), new RecordHeader("none", null)),
            record(0, null, "value", new RecordHeader("a", bytes("1")), new RecordHeader("a", bytes("2")), new RecordHeader("", new byte[0])));
    }

    /** More than one block of every codec: snappy takes 32 KiB, lz4 64, zstd 128. */
    static List<SimpleRecord> large() {
        String text = "the same text again, ".repeat(50);
        List<SimpleRecord> records = new ArrayList<>();
        for (int i = 0; i < 200; i++) records.add(record(TIME + i * 7L, "key " + i % 10, text + i));
        return records;
    }

    /** What does not compress: codecs store such blocks as they are. */
    static List<SimpleRecord> noise() {
        byte[] noise = new byte[3_000];
        new java.util.Random(7).nextBytes(noise);
        return List.of(new SimpleRecord(TIME, null, noise), record(TIME, "behind", "it"));
    }

    static MemoryRecordsBuilder builder(ByteBuffer buffer, Compression compression, TimestampType timestamps, long base, long producerId, int sequence) {
        return new MemoryRecordsBuilder(
            buffer, RecordBatch.MAGIC_VALUE_V2, compression, timestamps, base, TIME + 77, producerId,
            (short) (producerId < 0 ? -1 : 3), sequence, producerId >= 0, false, RecordBatch.NO_PARTITION_LEADER_EPOCH, buffer.capacity());
    }

    static MemoryRecords log(Compression compression, TimestampType timestamps, List<SimpleRecord> records) {
        var builder = builder(ByteBuffer.allocate(1 << 20), compression, timestamps, 1_000, -1, -1);
        records.forEach(builder::append);
        return builder.build();
    }

    /** Two producers, interleaved: 11 commits, 22 aborts. */
    static MemoryRecords transactions(Compression compression) {
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        all.put(transactional(compression, 10, 11, "kept"));
        all.put(transactional(compression, 11, 22, "dropped"));
        all.put(transactional(compression, 12, 11, "kept too"));
        all.put(marker(13, 22, ControlRecordType.ABORT));
        all.put(marker(14, 11, ControlRecordType.COMMIT));
        all.put(transactional(compression, 15, 22, "a new transaction"));
        all.flip();
        return MemoryRecords.readableRecords(all);
    }

    static ByteBuffer transactional(Compression compression, long offset, long producerId, String value) {
        var builder = builder(ByteBuffer.allocate(1 << 12), compression, TimestampType.CREATE_TIME, offset, producerId, 0);
        builder.append(record(TIME, "key", value));
        return builder.build().buffer();
    }

    static ByteBuffer marker(long offset, long producerId, ControlRecordType type) {
        return MemoryRecords.withEndTransactionMarker(offset, TIME, 0, producerId, (short) 3, new EndTransactionMarker(type, 9)).buffer();
    }

    /** As the log cleaner leaves it: every other record gone, the last one too; a batch without records; delete horizons. */
    static MemoryRecords compacted(Compression compression) {
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        for (int base = 0; base < 30; base += 10) {
            var builder = builder(ByteBuffer.allocate(1 << 14), compression, TimestampType.CREATE_TIME, base, -1, -1);
            for (int i = 0; i < 10; i++) builder.append(record(TIME + i, "key " + i, i % 4 == 0 ? null : "value " + (base + i)));
            all.put(builder.build().buffer());
        }
        all.flip();
        ByteBuffer kept = ByteBuffer.allocate(1 << 16);
        var filter = new MemoryRecords.RecordFilter(TIME + 1_000, 86_400_000L) {
            @Override protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, false);
            }
            @Override protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                return batch.baseOffset() != 10 && record.offset() % 2 == 0 && record.offset() % 10 != 8;
            }
        };
        MemoryRecords.readableRecords(all).filterTo(filter, kept, BufferSupplier.NO_CACHING);
        kept.flip();
        return MemoryRecords.readableRecords(kept);
    }

    static void print(String name, MemoryRecords log) throws Exception {
        List<Object> batches = new ArrayList<>();
        for (MutableRecordBatch batch : log.batches()) {
            batch.ensureValid();
            List<Object> records = new ArrayList<>();
            // Too many to list are told by the last one.
            for (Record record : batch) if (batch.countOrNull() < 100 || record.offset() == batch.lastOffset()) records.add(plain(record));
            Map<String, Object> all = new LinkedHashMap<>();
            all.put("baseOffset", batch.baseOffset());
            all.put("nextOffset", batch.nextOffset());
            all.put("producerId", batch.producerId());
            all.put("producerEpoch", batch.producerEpoch());
            all.put("baseSequence", batch.baseSequence());
            all.put("maxTimestampMs", batch.maxTimestamp());
            all.put("transactional", batch.isTransactional());
            all.put("control", batch.isControlBatch());
            all.put("count", batch.countOrNull());
            all.put("records", records);
            batches.add(all);
        }
        byte[] raw = new byte[log.sizeInBytes()];
        log.buffer().duplicate().get(raw);
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("name", name);
        all.put("raw", Base64.getEncoder().encodeToString(raw));
        all.put("batches", batches);
        System.out.println(JSON.writeValueAsString(all));
    }

    static Map<String, Object> plain(Record record) {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("offset", record.offset());
        all.put("timestampMs", record.timestamp());
        all.put("key", record.hasKey() ? base64(record.key()) : null);
        all.put("value", record.hasValue() ? base64(record.value()) : null);
        List<Object> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("key", header.key());
            one.put("value", header.value() == null ? null : Base64.getEncoder().encodeToString(header.value()));
            headers.add(one);
        }
        all.put("headers", headers);
        return all;
    }

    static String base64(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return Base64.getEncoder().encodeToString(bytes);
    }
}
