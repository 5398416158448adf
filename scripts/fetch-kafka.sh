#!/bin/sh
# Fetch Apache Kafka's broker into FOLDER/libs with Maven: `sh scripts/fetch-kafka.sh .kafka`.
set -eu

folder=${1:?usage: fetch-kafka.sh FOLDER}
kafka=4.3.1
logs=2.25.4

fail() {
    echo "make kafka: $1" >&2
    echo "  $2" >&2
    exit 1
}

command -v java >/dev/null 2>&1 || fail "there is no java on the path" "install a Java runtime, version 17 or newer"
command -v mvn >/dev/null 2>&1 || fail "there is no mvn on the path" \
    "install Apache Maven; or set KAFKA_HOME to an Apache Kafka 4 that you have"

mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

cat >"$work/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>foretell</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$kafka</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$kafka</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$logs</version></dependency>
  </dependencies>
</project>
POM

# Into a folder beside it first, so that a fetch that broke off is never taken for a Kafka.
mvn --quiet --batch-mode --file "$work/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$(cd "$work" && pwd)/libs" ||
    fail "Maven could not fetch Apache Kafka $kafka (its own words are above)" \
        "is Maven Central or your mirror of it reachable? KAFKA_HOME may also name a Kafka that you have"

rm -rf "$folder/libs"
mv "$work/libs" "$folder/libs"
echo "Apache Kafka $kafka is in $folder/libs; the demo and the tests find it there"
