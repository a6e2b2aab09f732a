"""What the guide says before each subject's operations."""

TOPICS = {
    "index": """
An image comes in once, as a file or by its URL. Out come the sizes and formats that you name, each
with a URL that you can put on a page. Every request carries an API key:
`Authorization: Bearer sk_...`.

Ask for `text/markdown` or `application/json`; `/docs` has the whole reference for browsers.
""",
    "images": """
One upload can make several images: one for each entry of `resizeOptions`, and each of them has a
file for each entry of `formatOptions`. A file costs one credit. Two thumbnails, 120 and 320 pixels
wide, come with every image and cost nothing.

A file's URL is its image's `urlBase`, a slash, and its `objectKey`; `simpleData` has the URLs ready
made. The original itself is not kept.
""",
    "convert": """
For a file that you want back and nowhere else. It takes the fields of an upload that are about
pixels, with one size and one format, and answers the bytes.
""",
    "generate": """
Say what a picture is to show, and a model makes it; what comes then is an upload: the same fields,
the same answer, and what the model said in `imageGenerateResponse`. A picture sent along is what
the model goes by: it gets to see at most 2048 pixels of it, and none of its metadata.

It takes the model half a minute, often more. Say `Prefer: respond-async` and listen to the order.
40 credits and one for each file are reserved at the start, and all of them come back if it fails:
when the model refuses, the answer says why in its own word.
""",
    "orders": """
An upload is answered when its files are there. Who would rather not wait says
`Prefer: respond-async` and gets an order: ask for it, or listen to it. An `Idempotency-Key` makes
it safe to send the same request again when an answer was lost.
""",
    "galleries": """
Galleries put images of one bucket together. An image can be in several or in none. Everybody who
knows its address can look at a public gallery, with a browser or a program.
""",
    "keys": """
A key may do what its permissions say, and nothing more. Give each program a key of its own, with
as little as it needs; a key that leaks is revoked without harm to the others.
""",
    "buckets": """
Images go to the account's primary bucket unless a request names another one. The first bucket is
in our storage; you can add buckets in S3-compatible storage of your own, which do not count as
storage used.
""",
    "purge": """
Edges keep copies of files, and storage keeps what was made of them on the fly. Deleting and
updating an image sees to both; to purge is for everything else.
""",
    "photos": """
This is another API on the same account: that of photo blogs, and of programs that upload from a
desktop. A photo is kept as it is, has an address of eight letters and digits, and costs a credit.
The image API lists it as an image with one file.

Every answer is `{"code": 200, "data": ...}` and every error `{"code": 400, "error_msg": "..."}`.
Send a user's token, or an API key, as `Authorization: ...`, with `Token` or `Bearer` before it or
nothing.
""",
    "urls": """
Any image's URL takes parameters that convert it when it is first asked for; the result is kept.
`?w=640&fm=auto` is 640 pixels wide in the best format that the browser reads. Parameters may come
in any order. The result is never larger than the image unless `enlarge=1` says so.

A URL may convert when it is signed, when it names a preset, or when its bucket says so: a bucket's
`conversion` is `signed` (the default), `sizes` (unsigned URLs may have `w`, `h`, `dpr`, `fit`,
`pos` and `fm`, and get the next larger of the bucket's `sizes`) or `open`.

To sign a URL yourself, take its path, `?`, its parameters, and `&k=` with the id of a URL key;
compute HMAC-SHA256 over that text, with the key's secret as it was told; append `&s=` and the
result in base64url without padding. `s` comes last, and nothing may be changed afterwards. `exp`
ends a URL: from that Unix second on it answers 410.
""",
    "presets": """
A preset is a name for parameters of the edge's URLs. It needs no signature, so that a page's
scripts can build URLs: `?preset=card`. A preset that changes changes what its URLs answer.
""",
    "options": """
`resizeOptions` and `formatOptions` are JSON in a form field: an array or a single object. An option
that is not known is refused by its path. What is not given has the default below.
""",
    "errors": """
Every error has the same body. `error` and `message` are the same sentence for people, `code` is for
programs and never changes, `details` names each field that is wrong, `requestId` is for whoever you
ask for help. Nothing is charged for a request that fails.

A request that was refused with 429 or 503 says in `Retry-After` how many seconds to wait.
""",
}
