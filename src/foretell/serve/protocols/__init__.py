"""What the request door speaks. Each protocol turns a request into a `Call`, and an `Answer` into bytes.

http.py          a request that came in whole, and what is sent back
gate.py          what all protocols do around a call: find the model, admit the client, set the deadline
errors.py        anything that went wrong → status, headers, body
json_body.py     JSON in: bounded depth, and the path to the field that was wrong
tensors.py       tensors of the Open Inference Protocol as arrays
oip.py           what its REST and gRPC share: parameters, inputs, outputs, metadata
oip_rest.py      … over HTTP, JSON;  oip_binary.py: with tensors as bytes;  oip_grpc.py: over gRPC
forecast_api.py  POST /v1/forecast/{model}: rows of named values in, dated forecasts out
openapi.py       the document that tells all of it;  docs_page.py: the page that tries it
"""
