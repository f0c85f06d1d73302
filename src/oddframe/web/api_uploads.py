"""The API of uploads: recordings from a browser into the data folder, to learn a camera from.

A recording is announced, and then sent in parts of at most `UPLOAD_BYTES`. After a lost connection
it is announced again, and goes on where the answer says.
"""

import asyncio
import shutil
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import Field, StringConstraints
from starlette.requests import ClientDisconnect

from oddframe.web.context import Context
from oddframe.web.schemas import Name, Schema, Text
from oddframe.web.security import UPLOAD_BYTES, UPLOAD_PATH
from oddframe.web.uploads import Upload, UploadConflictError

router = APIRouter(responses={401: {}})

MOST_SIZE = 10**13

FileName = Annotated[Text, StringConstraints(min_length=1, max_length=300)]
Camera = Annotated[Name, Query()]
File = Annotated[FileName, Query()]
Bytes = Annotated[int, Query(ge=0, le=MOST_SIZE)]


class UploadBegun(Schema):
    """A recording that is going to be sent for a camera."""

    camera: Name
    name: FileName
    size_bytes: Annotated[int, Field(gt=0, le=MOST_SIZE)]


class UploadRecord(Schema):
    """A recording that was sent, or a part of it."""

    name: str
    size_bytes: int
    # How much of it is there, from its beginning: the offset of the next part.
    received_bytes: int


class UploadList(Schema):
    """What was sent for a camera, and how much more may be."""

    uploads: list[UploadRecord]
    most_bytes: int
    free_bytes: int
    # Most bytes of a part.
    part_bytes: int


@router.get("/api/v1/uploads")
def uploads(context: Context, camera: Camera) -> UploadList:
    """The recordings that were sent for a camera, complete or not."""
    context.check_seen(camera)
    return UploadList(
        uploads=[_record(upload) for upload in context.uploads.list(camera)],
        most_bytes=context.uploads.most_bytes,
        free_bytes=shutil.disk_usage(context.supervisor.data).free,
        part_bytes=UPLOAD_BYTES,
    )


@router.post("/api/v1/uploads", status_code=201, responses={409: {}, 507: {}})
def begin(context: Context, given: UploadBegun) -> UploadRecord:
    """Announce a recording; the answer says how much of it is there already."""
    try:
        return _record(context.uploads.begin(given.camera, given.name, given.size_bytes))
    except UploadConflictError as error:
        raise HTTPException(409, str(error)) from error


@router.put(
    UPLOAD_PATH,
    responses={409: {}, 413: {}, 507: {}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def receive(
    context: Context, request: Request, camera: Camera, name: File, size_bytes: Bytes, offset: Bytes
) -> UploadRecord:
    """Send the next part of a recording, as it is; the answer says how much is there."""
    uploads = context.uploads
    opened = uploads.receive(camera, name, size_bytes, offset)
    try:
        # Opening, writing and closing may wait for the disk, and the server must not.
        writer = await asyncio.to_thread(opened.__enter__)
        try:
            async for piece in request.stream():
                await asyncio.to_thread(writer.write, piece)
        except ClientDisconnect:
            # What has come stays, and the sender goes on from there.
            pass
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)
        return _record(await asyncio.to_thread(uploads.settle, camera, name, size_bytes))
    except UploadConflictError as error:
        raise HTTPException(409, str(error)) from error


@router.delete("/api/v1/uploads", status_code=204)
def remove(
    context: Context, camera: Camera, name: Annotated[FileName | None, Query()] = None
) -> Response:
    """Delete a recording that was sent for a camera; all of them where none is named."""
    context.uploads.remove(camera, name)
    return Response(status_code=204)


def _record(upload: Upload) -> UploadRecord:
    return UploadRecord(
        name=upload.name, size_bytes=upload.size_bytes, received_bytes=upload.received_bytes
    )
