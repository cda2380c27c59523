"""Kaggle's service on loopback: the calls that the real client makes for data sets and kernels, and its refusals."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class KaggleStandIn(ThreadingHTTPServer):
    """Kernels run by `execute(body) -> {file name: bytes}`; `refuse` holds answers given once each, by method.

    `archive` is what a data set downloads as: a redirect to a storage address, whose transfers may be slow or break.
    """

    daemon_threads = True

    def __init__(self, execute=None, archive=b""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.execute, self.archive = execute, archive
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.datasets, self.kernels, self.blobs = {}, {}, {}
        self.calls, self.refuse = [], {}
        self.looks_until_done = 2
        self.public = False  # whether data sets are given without a token
        self.shared = {}  # data set -> the folder below the mount under which the host's shared cache shows it
        self.storage_headers = {"ETag": '"v1"'}
        self.break_after, self.slow = (
            [],
            0.0,
        )  # bytes after which the next transfers break off; seconds a block
        self.ranges = []  # what the transfers asked for
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def named(self, method):
        return [body for name, body in self.calls if name == method]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, content, status=200, headers=()):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length)

    def do_PUT(self):
        self.server.blobs[self.path] = self.body()
        self.answer({}, 201)

    def do_GET(self):
        if self.path.startswith("/storage/"):
            return self.transfer()
        _, _, kernel, name = self.path.split("/", 3)
        self.answer(self.server.kernels[kernel.replace("~", "/")]["output"][name])

    def do_POST(self):
        server, method = self.server, self.path.rsplit("/", 1)[1]
        body = json.loads(self.body() or b"{}")
        server.calls.append((method, body))
        free = (
            method == "DownloadDataset"
            and server.public
            or method in ("IntrospectToken", "is_supported", "mount", "AttachDatasourceUsingJwtRequest")
        )
        if not free and not self.headers.get("Authorization", "").startswith(("Basic ", "Bearer ")):
            return self.answer({"code": 401, "message": "Unauthenticated"}, 401)
        once = server.refuse.get(method)
        if once:
            status, content = once.pop(0)
            return self.answer(content, status)
        return getattr(self, method)(server, body)

    def IntrospectToken(self, server, body):
        self.answer({"active": True, "username": "student"})

    def is_supported(self, server, body):
        """Colab's own service beside the notebook."""
        self.answer({}, 200 if f"{body['owner']}/{body['dataset']}" in server.shared else 404)

    def mount(self, server, body):
        self.answer({"slug": server.shared[f"{body['owner']}/{body['dataset']}"]})

    def AttachDatasourceUsingJwtRequest(self, server, body):
        """The service inside a Kaggle session."""
        name = "{OwnerSlug}/{DatasetSlug}".format(**body["datasetRef"])
        if name not in server.shared:
            return self.answer({"code": 403, "message": "Permission denied"}, 403)
        self.answer({"wasSuccessful": True, "result": {"mountSlug": server.shared[name]}})

    def DownloadDataset(self, server, body):
        self.answer(b"", 302, [("Location", f"{server.url}/storage/archive.zip")])

    def transfer(self):
        server, wanted = self.server, self.headers.get("Range")
        part = server.archive[int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0 :]
        self.send_response(206 if wanted else 200)
        for name, value in {**server.storage_headers, "Content-Length": str(len(part))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        # The client's own request is only looked at; the transfer asks for identity encoding.
        if self.headers.get("Accept-Encoding") != "identity":
            return
        server.ranges.append(wanted or "all")
        cut = server.break_after.pop(0) if server.break_after else len(part)
        for start in range(0, cut, 2**14):
            self.wfile.write(part[start : min(start + 2**14, cut)])
            time.sleep(server.slow)

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # the other side was killed

    def StartBlobUpload(self, server, body):
        token = f"blob{len(server.blobs)}"
        self.answer({"token": f"{token}/{body['name']}", "createUrl": f"{server.url}/{token}/{body['name']}"})

    def GetDatasetStatus(self, server, body):
        name = f"{body['ownerSlug']}/{body['datasetSlug']}"
        if name not in server.datasets:
            return self.answer({"code": 403, "message": "Permission 'datasets.get' was denied"}, 403)
        return self.answer({"status": "ready"})

    def CreateDataset(self, server, body):
        assert body["isPrivate"] is True
        server.datasets[f"{body['ownerSlug']}/{body['slug']}"] = [body["files"]]
        self.answer({"status": "ok", "ref": body["slug"]})

    def CreateDatasetVersion(self, server, body):
        server.datasets[f"{body['ownerSlug']}/{body['datasetSlug']}"].append(body["body"]["files"])
        self.answer({"status": "ok"})

    def SaveKernel(self, server, body):
        missing = [name for name in body.get("datasetDataSources", []) if name not in server.datasets]
        absent = [name for name in body.get("kernelDataSources", []) if name not in server.kernels]
        active = [k for k in server.kernels.values() if k["gpu"] and k["looks"] < server.looks_until_done]
        if body.get("enableGpu") and len(active) >= 2:
            return self.answer({"error": "Maximum batch GPU session count of 2 reached."})
        earlier = server.kernels.get(body["slug"], {"version": 0})
        kernel = {"version": earlier["version"] + 1, "looks": 0, "gpu": body.get("enableGpu"), "body": body}
        server.kernels[body["slug"]] = kernel | {"output": server.execute(body)}
        answer = {"ref": body["slug"], "versionNumber": kernel["version"]}
        return self.answer(answer | {"invalidDatasetSources": missing, "invalidKernelSources": absent})

    def GetKernelSessionStatus(self, server, body):
        name = f"{body['userName']}/{body['kernelSlug']}"
        if name not in server.kernels:
            return self.answer({"code": 403, "message": "Permission 'kernels.get' was denied"}, 403)
        kernel = server.kernels[name]
        kernel["looks"] += 1
        return self.answer(
            {"status": "COMPLETE" if kernel["looks"] >= server.looks_until_done else "RUNNING"}
        )

    def ListKernelSessionOutput(self, server, body):
        name = f"{body['userName']}/{body['kernelSlug']}"
        place = f"{server.url}/output/{name.replace('/', '~')}"
        files = [{"url": f"{place}/{file}", "fileName": file} for file in server.kernels[name]["output"]]
        first, size = int(body.get("pageToken") or 0), int(body.get("pageSize") or 20)
        following = str(first + size) if first + size < len(files) else ""
        self.answer({"files": files[first : first + size], "nextPageToken": following, "log": "[]"})
