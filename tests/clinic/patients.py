"""Patients: made, read, listed, found, changed and deleted by their own tenant."""

from __future__ import annotations

import uuid

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Body as JsonBody

from tests.clinic.records import RECENT, Anything, Auth, Body, Records, Tenant

FIELDS = ("name", "phone", "alert")
JSON = JsonBody()


def routes(records: Records) -> APIRouter:
    """The operations on patients."""
    router = APIRouter()
    faults, patients = records.faults, records.patients

    def given(body: Body) -> Body:
        """What of a body may be kept."""
        if "stores-anything" in faults:
            return body
        fields = (*FIELDS, "tenant") if "moves-tenant" in faults else FIELDS
        if "strict-but-owner" in faults:
            fields = (*FIELDS, "owner")
            if set(body) - set(fields):
                raise HTTPException(422, "the request is wrong")
        if "strict-spelling" in faults:
            if set(body) - {*FIELDS, "createdBy"}:
                raise HTTPException(422, "the request is wrong")
            body = {{"createdBy": "created_by"}.get(key, key): body[key] for key in body}
            fields = (*FIELDS, "created_by")
        kept = {key: value for key, value in body.items() if key in fields}
        if "strict-inside" in faults and isinstance(body.get("data"), dict):
            if set(body["data"]) - {"owner"}:
                raise HTTPException(422, "the request is wrong")
            kept |= body["data"]
        if "wrapped" in faults and isinstance(body.get("data"), dict):
            kept |= {"owner": body["data"].get("owner")}
        return kept

    def shown(found: Body, role: str, asked: str = "") -> Body:
        """What of a patient the role may see."""
        if role != "clerk":
            return found
        kept = {key: value for key, value in found.items() if key != "alert"}
        if "null-alert" in faults:
            kept["alert"] = None
        if "renamed-alert" in faults:
            kept["summary"] = found.get("alert")
        if "fields-unmask" in faults and "alert" in asked.split(","):
            kept["alert"] = found.get("alert")
        return kept

    @router.post("/patients", status_code=201)
    def create(body: Body, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        role, tenant = records.who(authorization, x_tenant)
        records.only(role, "clerk")
        made = {**given(body), "id": str(uuid.uuid4()), "tenant": tenant}
        patients[made["id"]] = made
        return made

    @router.get("/patients")
    def every(request: Request, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        role, tenant = records.who(authorization, x_tenant)
        rows = records.of(patients, tenant)
        asked = request.query_params
        if "filters-by-alert" in faults and "alert" in asked:
            rows = [one for one in rows if one.get("alert") == asked["alert"]]
        if "sorts-by-alert" in faults and asked.get("sort", "").lstrip("-") == "alert":
            rows.sort(key=lambda one: str(one.get("alert")), reverse=asked["sort"][0] == "-")
        total = len(patients) if "count" in faults else len(rows)
        if "foreign-list" in faults:
            rows = list(patients.values())
        if "hidden-rows" in faults:
            rows, total = [], 0
        return {"items": [shown(one, role) for one in rows], "total": total}

    @router.get("/patients/recent", include_in_schema=False)
    def recent(request: Request, authorization: Auth = None) -> Body:
        _role, tenant = records.who(authorization)
        said = request.headers.get("x-forwarded-for") if "limit-by-address" in faults else ""
        if "unlimited" not in faults:
            records.limit(f"recent {authorization} {said}", RECENT)
        return {"items": records.of(patients, tenant)[-1:]}

    @router.get("/patients/search", include_in_schema="lost-route" not in faults)
    def search(q: str, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        _role, tenant = records.who(authorization, x_tenant)
        found = [one for one in patients.values() if q.lower() in str(one.get("name")).lower()]
        mine = [one for one in found if one["tenant"] == tenant]
        answer: Body = {"items": [{"id": one["id"], "name": one.get("name")} for one in mine]}
        if "prefix-search" in faults:
            answer["similar"] = len(found)
        return answer

    @router.get("/patients/{identity}")
    def read(
        identity: str, fields: str = "", authorization: Auth = None, x_tenant: Tenant = None
    ) -> Body:
        if "unguarded" in faults and identity in patients:
            return patients[identity]
        role, tenant = records.who(authorization, x_tenant)
        if "crash-trace" in faults:
            uuid.UUID(identity)
        found = records.patient(identity, tenant)
        if role == "clerk" and "closed" in faults:
            raise HTTPException(403, "closed")
        return found if "unmasked" in faults else shown(found, role, fields)

    @router.patch("/patients/{identity}", response_model=None)
    def update(
        identity: str, sent: Anything = JSON, authorization: Auth = None, x_tenant: Tenant = None
    ) -> Body | Response:
        role, tenant = records.who(authorization, x_tenant)
        body = sent
        if isinstance(sent, list) and "json-patch" in faults:
            body = {one["path"].strip("/"): one["value"] for one in sent}
        if not isinstance(body, dict):
            raise HTTPException(422, "the request is wrong")
        if "anyone-writes" not in faults:
            if role != "clerk" and "done-and-denied" in faults and identity in patients:
                patients[identity].update(body)
            records.only(role, "clerk")
        known = patients.get(identity)
        if "no-op-204" in faults and known and known["tenant"] != tenant:
            return Response(status_code=204)
        found = records.patient(identity, tenant)
        if "ignored-write" not in faults:
            fixed = {"id": found["id"], "tenant": found["tenant"]}
            kept = body if body is not sent else given(body)
            found.update({**fixed, **kept, "id": fixed["id"]})
        return found

    @router.delete("/patients/{identity}", status_code=204)
    def delete(identity: str, authorization: Auth = None, x_tenant: Tenant = None) -> None:
        role, tenant = records.who(authorization, x_tenant)
        records.only(role, "clerk")
        if "deletes-and-says-404" in faults and identity in patients:
            if patients.pop(identity)["tenant"] != tenant:
                raise HTTPException(404, "not found")
            return
        records.patient(identity, tenant)
        if "ignored-delete" not in faults:
            del patients[identity]

    return router
