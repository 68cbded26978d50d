#!/usr/bin/env bash
# Messages whose content is a list of parts (text and image_url), as newer exports write them.
# Right: the text is used (and the image told), or refused naming the record and content.
# Wrong: the turn is dropped in silence, or all ends with an unclear message.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
py <<'E'
import nano
r = nano.chat(40, 'messages', 'role', 'content', 'user', 'assistant')
for m in r[::2]: m['messages'][0]['content'] = [{'type': 'text', 'text': 'Describe the zebra.'}, {'type': 'image_url', 'image_url': {'url': 'x.png'}}]
nano.write_records('a.jsonl', r)
E
precompute a.jsonl kd --dataset_format sharegpt
warned 'content|image_url'
