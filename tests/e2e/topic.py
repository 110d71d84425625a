"""The topic from outside, with the vendor's client: raw messages in, offsets read and rewound, S3
notifications by hand.
"""

import datetime
import json
import time
import urllib.parse
import uuid

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

SECONDS = 10
SESSION_S = 330  # of a member of the group, and of a rebalance that waits for it


class Topic:
    def __init__(self, brokers, name, group):
        self.name = name
        self.settings = {"bootstrap.servers": brokers, "log_level": 0}
        self.producer = Producer(self.settings)
        self.reader = Consumer({**self.settings, "group.id": group, "enable.auto.commit": False})

    def close(self):
        self.reader.close()

    def partitions(self):
        found = self.reader.list_topics(self.name, SECONDS).topics[self.name].partitions
        return [TopicPartition(self.name, number) for number in sorted(found)]

    def send(self, value, key=None, headers=None, partition=0):
        """Answers (partition, offset). Bytes, or anything that becomes JSON; None is a null value."""
        where = []
        body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
        self.producer.produce(
            self.name,
            body,
            key,
            partition,
            headers=headers,
            on_delivery=lambda error, message: where.append(
                error or (message.partition(), message.offset())
            ),
        )
        self.producer.flush(SECONDS)
        if not where or not isinstance(where[0], tuple):
            raise RuntimeError(f"the broker did not take a message: {where}")
        return where[0]

    def read(self, name, is_wanted):
        """The first message of a topic that is."""
        reader = Consumer(
            {**self.settings, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
        )
        reader.subscribe([name])
        end = time.monotonic() + 3 * SECONDS
        try:
            while time.monotonic() < end:
                message = reader.poll(1)
                if message and not message.error() and is_wanted(message):
                    return message
            raise RuntimeError(f"{name} has no such message")
        finally:
            reader.close()

    def told_of(self, key):
        """Of an object, all that the topic tells: (partition, offset, event, eTag, time)."""
        reader = Consumer({**self.settings, "group.id": uuid.uuid4().hex})
        ends = {
            place.partition: reader.get_watermark_offsets(place, SECONDS)
            for place in self.partitions()
        }
        reader.assign(
            [TopicPartition(self.name, at, low) for at, (low, high) in ends.items() if low < high]
        )
        left, found = {at for at, (low, high) in ends.items() if low < high}, []
        end = time.monotonic() + 3 * SECONDS
        while left and time.monotonic() < end:
            message = reader.poll(1)
            if not message or message.error():
                continue
            found += events_of(message, key)
            if message.offset() + 1 >= ends[message.partition()][1]:
                left.discard(message.partition())
        reader.close()
        if left:
            raise RuntimeError(f"{self.name} could not be read to its end")
        return found

    def make_anew(self, partitions=6):
        admin = AdminClient(self.settings)
        admin.delete_topics([self.name])[self.name].result(SECONDS)
        end = time.monotonic() + 3 * SECONDS
        while True:  # the name is free a while after the topic is gone
            try:
                admin.create_topics([NewTopic(self.name, partitions, 1)])[self.name].result(SECONDS)
                break
            except KafkaException:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
        self.see(partitions)

    def widen(self, partitions):
        admin = AdminClient(self.settings)
        admin.create_partitions([NewPartitions(self.name, partitions)])[self.name].result(SECONDS)
        self.see(partitions)

    def see(self, partitions):
        """A client keeps for a while what it has known of the topic."""
        end = time.monotonic() + SECONDS
        while len(self.partitions()) != partitions and time.monotonic() < end:
            time.sleep(0.2)
        self.producer = Producer(self.settings)

    def lag(self):
        """Messages whose end the group has not committed yet."""
        ends = [
            self.reader.get_watermark_offsets(partition, SECONDS) for partition in self.partitions()
        ]
        done = self.reader.committed(self.partitions(), SECONDS)
        return sum(high - max(low, partition.offset) for (low, high), partition in zip(ends, done))

    def committed(self):
        return {
            partition.partition: partition.offset
            for partition in self.reader.committed(self.partitions(), SECONDS)
        }

    def rewind(self):
        """The whole topic again. While no worker is in the group: one that was killed leaves it after its session."""
        starts = [TopicPartition(self.name, one.partition, 0) for one in self.partitions()]
        end = time.monotonic() + SESSION_S
        while True:
            try:
                self.reader.commit(offsets=starts, asynchronous=False)
                return
            except KafkaException:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)


def events_of(message, key):
    try:
        records = json.loads(message.value() or b"null")["Records"]
        return [
            (
                message.partition(),
                message.offset(),
                record["eventName"],
                record["s3"]["object"].get("eTag"),
                record["eventTime"],
            )
            for record in records
            if urllib.parse.unquote_plus(record["s3"]["object"]["key"]) == key
        ]
    except (ValueError, KeyError, TypeError):
        return []


def has_last_change(events, etag):
    """Whether events, as told_of() has them, tell how the object came to be what it is (None: gone)."""
    if etag:
        return etag in {event[3] for event in events}
    return bool(events) and "ObjectRemoved" in max(events, key=lambda event: event[4])[2]


def notification(
    key, name="ObjectCreated:Put", bucket="docs", size=1000, age_s=0, sequencer=None, **more
):
    """One record of an S3 notification, in AWS's shape, `age_s` old."""
    time = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age_s)
    stored = {
        "key": urllib.parse.quote_plus(key, safe="/"),
        "sequencer": sequencer or uuid.uuid4().hex[:18].upper(),
        **more,
    }
    if name.startswith("ObjectCreated"):
        stored = {"size": size, "eTag": uuid.uuid4().hex, **stored}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventName": name,
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "userIdentity": {"principalId": "test"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "test",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": stored,
        },
    }


def message(*records):
    return {"Records": list(records)}


TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-01-01T00:00:00.000Z",
    "Bucket": "docs",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
}
