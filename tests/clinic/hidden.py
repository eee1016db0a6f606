"""What no document of the clinic names: with faults only."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from tests.clinic.records import Auth, Body, Records


def routes(records: Records) -> APIRouter:
    """The operations that a fault leaves open."""
    router = APIRouter(include_in_schema=False)
    faults, patients = records.faults, records.patients

    def found(identity: str) -> Body:
        if identity not in patients:
            raise HTTPException(404, "not found")
        return patients[identity]

    if "hidden-put" in faults:

        @router.put("/patients/{identity}")
        def replace(identity: str, body: Body, authorization: Auth = None) -> Body:
            _role, tenant = records.who(authorization)
            records.patient(identity, tenant).update(phone=body.get("phone"))
            return {"done": True}

    if "method-override" in faults:

        @router.post("/patients/{identity}")
        def overridden(identity: str, request: Request, authorization: Auth = None) -> Response:
            _role, tenant = records.who(authorization)
            records.patient(identity, tenant)
            if request.headers.get("x-http-method-override") != "DELETE":
                raise HTTPException(405, "no such method")
            del patients[identity]
            return Response(status_code=204)

    if "trailing-slash" in faults:

        @router.get("/patients/{identity}/")
        def slashed(identity: str) -> Body:
            return found(identity)

    if "original-url" in faults:

        @router.get("/")
        def rewritten(request: Request) -> Body:
            return found(request.headers.get("x-original-url", "").rpartition("/")[2])

    if "old-version" in faults:

        @router.get("/v1/patients/{identity}")
        def old(identity: str, authorization: Auth = None) -> Body:
            records.who(authorization)
            return found(identity)

    if "debug-page" in faults:

        @router.get("/debug/vars")
        def variables() -> Body:
            return {"cmdline": ["clinic"], "memstats": {}}

    if "trace" in faults:

        @router.api_route("/patients/{identity}", methods=["TRACE"])
        def repeated(request: Request) -> Response:
            lines = [f"{name}: {value}" for name, value in request.headers.items()]
            return Response("\r\n".join(lines), media_type="message/http")

    return router
