"""See it at work: New York's weather of 2013 on a stream, forecast, and scored against what happened.

`run` tells the story; `weather`, data/ and bundle/ are what it stands on; `brokers` picks a Kafka
(`apache_kafka` or `mock_broker`); `replay` sends rows and `collect` reads forecasts; `score`, `report`,
`picture` and `show` tell a person how it went.
"""
