"""What the request door speaks. Each protocol turns a request into a `Call`, and an `Answer` into bytes.

asgi.py           a body bounded in size and time, a caller that may go away
http.py           a request that came in whole, and what is sent back
gate.py           what all protocols do around a call: find the model, grant, ask the backend
errors.py         anything that went wrong → status, headers, body
json_body.py      JSON in: bounded depth, and the path to the field that was wrong
options.py        priority, deadline, horizon: words that all protocols share

oip.py            the Open Inference Protocol, as its REST and gRPC share it
tensors.py        … its tensors as arrays
oip_rest.py       … over HTTP;  oip_binary.py  with tensors as bytes
oip_grpc.py       … over gRPC;  oip_messages.py  its messages, of open_inference.proto

forecast_api.py   POST /v1/forecast/{model}: rows of named values in, dated forecasts out
window_items.py   … the windows of a request as one block;  row_windows.py  those that are told by rows
dated.py          … answers as dated forecasts in their own units

openapi.py        the document that tells all of it;  examples.py  with requests that run
docs_page.py      the page that tries it
"""
