import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.message.ApiVersionsRequestData;
import org.apache.kafka.common.message.ApiVersionsResponseData;
import org.apache.kafka.common.message.EndTxnRequestData;
import org.apache.kafka.common.message.EndTxnResponseData;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.ProduceResponseData;
import org.apache.kafka.common.message.TxnOffsetCommitRequestData;
import org.apache.kafka.common.message.TxnOffsetCommitResponseData;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.MemoryRecords;

/**
 * Requests and answers of transactions of version 2 as Kafka's Java classes write them, without headers: one JSON object a
 * message, its bytes in hexadecimal.
 *
 *   java -cp '<folder of Kafka's jars>/*' JavaMessages.java > messages.ndjson
 *
 * What it printed is kept, so that the test needs no Java compiler; versions are frozen, so nothing is missed by that.
 */
public class JavaMessages {
    public static void main(String[] args) {
        var written = new ProduceRequestData.TopicProduceDataCollection();
        written.add(new ProduceRequestData.TopicProduceData().setName("changelog").setPartitionData(List.of(
                partition(0, bytes(3)), partition(258, bytes(200)))));
        written.add(new ProduceRequestData.TopicProduceData().setName("sïnk").setPartitionData(List.of(partition(7, bytes(1)))));
        print("Produce request", 12, new ProduceRequestData().setTransactionalId("tx-é").setAcks((short) -1)
                .setTimeoutMs(9_000).setTopicData(written));
        print("Produce request without transaction", 12, new ProduceRequestData().setTransactionalId(null)
                .setAcks((short) -1).setTimeoutMs(1).setTopicData(new ProduceRequestData.TopicProduceDataCollection()));

        var produced = new ProduceResponseData.TopicProduceResponseCollection();
        produced.add(new ProduceResponseData.TopicProduceResponse().setName("changelog").setPartitionResponses(List.of(
                new ProduceResponseData.PartitionProduceResponse().setIndex(0).setBaseOffset(1L << 40).setLogStartOffset(5),
                new ProduceResponseData.PartitionProduceResponse().setIndex(258).setErrorCode((short) 87).setBaseOffset(-1)
                        .setErrorMessage("one is bad").setRecordErrors(List.of(
                                new ProduceResponseData.BatchIndexAndErrorMessage().setBatchIndex(1),
                                new ProduceResponseData.BatchIndexAndErrorMessage().setBatchIndex(4)
                                        .setBatchIndexErrorMessage("bad"))))));
        produced.add(new ProduceResponseData.TopicProduceResponse().setName("sïnk").setPartitionResponses(List.of(
                new ProduceResponseData.PartitionProduceResponse().setIndex(7).setErrorCode((short) 6).setBaseOffset(-1)
                        .setCurrentLeader(new ProduceResponseData.LeaderIdAndEpoch().setLeaderId(3).setLeaderEpoch(9)))));
        var endpoints = new ProduceResponseData.NodeEndpointCollection();
        endpoints.add(new ProduceResponseData.NodeEndpoint().setNodeId(3).setHost("three").setPort(9092));
        print("Produce response", 12, new ProduceResponseData().setResponses(produced).setThrottleTimeMs(4)
                .setNodeEndpoints(endpoints));

        print("TxnOffsetCommit request", 5, new TxnOffsetCommitRequestData().setTransactionalId("tx-é").setGroupId("group")
                .setProducerId(5_000_000_000_000_000_000L).setProducerEpoch((short) 32_766).setTopics(List.of(
                        new TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic().setName("left").setPartitions(List.of(
                                position(0, (1L << 53) - 1), position(258, 0))),
                        new TxnOffsetCommitRequestData.TxnOffsetCommitRequestTopic().setName("right")
                                .setPartitions(List.of(position(7, 1))))));
        print("TxnOffsetCommit response", 5, new TxnOffsetCommitResponseData().setThrottleTimeMs(4).setTopics(List.of(
                new TxnOffsetCommitResponseData.TxnOffsetCommitResponseTopic().setName("left").setPartitions(List.of(
                        new TxnOffsetCommitResponseData.TxnOffsetCommitResponsePartition().setPartitionIndex(0),
                        new TxnOffsetCommitResponseData.TxnOffsetCommitResponsePartition().setPartitionIndex(258)
                                .setErrorCode((short) 51))))));

        print("EndTxn request", 5, new EndTxnRequestData().setTransactionalId("tx-é")
                .setProducerId(5_000_000_000_000_000_000L).setProducerEpoch((short) 32_766).setCommitted(true));
        print("EndTxn response", 5, new EndTxnResponseData().setThrottleTimeMs(4)
                .setProducerId(5_000_000_000_000_000_001L).setProducerEpoch((short) 0));
        print("EndTxn response with an error", 5, new EndTxnResponseData().setErrorCode((short) 90));

        print("ApiVersions request", 3, new ApiVersionsRequestData().setClientSoftwareName("potoroo")
                .setClientSoftwareVersion("1"));
        var versions = new ApiVersionsResponseData.ApiVersionCollection();
        versions.add(version(0, 3, 13));
        versions.add(version(26, 0, 5));
        var supported = new ApiVersionsResponseData.SupportedFeatureKeyCollection();
        supported.add(new ApiVersionsResponseData.SupportedFeatureKey().setName("transaction.version").setMaxVersion((short) 2));
        var finalized = new ApiVersionsResponseData.FinalizedFeatureKeyCollection();
        finalized.add(feature("metadata.version", 29));
        finalized.add(feature("transaction.version", 2));
        print("ApiVersions response", 3, new ApiVersionsResponseData().setApiKeys(versions).setThrottleTimeMs(4)
                .setSupportedFeatures(supported).setFinalizedFeaturesEpoch(77).setFinalizedFeatures(finalized)
                .setZkMigrationReady(true));
        print("ApiVersions response without an epoch", 3, new ApiVersionsResponseData().setApiKeys(versions)
                .setFinalizedFeatures(finalized));
        print("ApiVersions response of a broker that does not know the version", 0,
                new ApiVersionsResponseData().setErrorCode((short) 35).setApiKeys(versions));
    }

    static byte[] bytes(int length) {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++) bytes[i] = (byte) i;
        return bytes;
    }

    static ProduceRequestData.PartitionProduceData partition(int index, byte[] batch) {
        return new ProduceRequestData.PartitionProduceData().setIndex(index)
                .setRecords(MemoryRecords.readableRecords(ByteBuffer.wrap(batch)));
    }

    static TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition position(int index, long offset) {
        return new TxnOffsetCommitRequestData.TxnOffsetCommitRequestPartition().setPartitionIndex(index)
                .setCommittedOffset(offset).setCommittedMetadata("");
    }

    static ApiVersionsResponseData.ApiVersion version(int key, int min, int max) {
        return new ApiVersionsResponseData.ApiVersion().setApiKey((short) key).setMinVersion((short) min)
                .setMaxVersion((short) max);
    }

    static ApiVersionsResponseData.FinalizedFeatureKey feature(String name, int level) {
        return new ApiVersionsResponseData.FinalizedFeatureKey().setName(name).setMaxVersionLevel((short) level)
                .setMinVersionLevel((short) level);
    }

    static void print(String name, int version, Message message) {
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, (short) version).buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        System.out.println("{\"name\":\"" + name + "\",\"hex\":\"" + HexFormat.of().formatHex(bytes) + "\"}");
    }
}
