"""Patients: made, read, listed, found, changed and deleted by their own tenant."""

from __future__ import annotations

import uuid

from fastapi import APIRouter, HTTPException, Response

from tests.clinic.records import Auth, Body, Records, Tenant


def routes(records: Records) -> APIRouter:
    """The operations on patients."""
    router = APIRouter()
    faults, patients = records.faults, records.patients

    @router.post("/patients", status_code=201)
    def create(body: Body, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        role, tenant = records.who(authorization, x_tenant)
        records.only(role, "clerk")
        made = {**body, "id": str(uuid.uuid4()), "tenant": tenant}
        patients[made["id"]] = made
        return made

    @router.get("/patients")
    def every(authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        _role, tenant = records.who(authorization, x_tenant)
        rows = records.of(patients, tenant)
        total = len(patients) if "count" in faults else len(rows)
        if "foreign-list" in faults:
            rows = list(patients.values())
        if "hidden-rows" in faults:
            rows, total = [], 0
        return {"items": rows, "total": total}

    @router.get("/patients/search", include_in_schema="lost-route" not in faults)
    def search(q: str, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        _role, tenant = records.who(authorization, x_tenant)
        found = [one for one in patients.values() if q.lower() in str(one.get("name")).lower()]
        mine = [one for one in found if one["tenant"] == tenant]
        answer: Body = {"items": [{"id": one["id"], "name": one["name"]} for one in mine]}
        if "prefix-search" in faults:
            answer["similar"] = len(found)
        return answer

    @router.get("/patients/{identity}")
    def read(identity: str, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        if "unguarded" in faults and identity in patients:
            return patients[identity]
        role, tenant = records.who(authorization, x_tenant)
        if "crash-trace" in faults:
            uuid.UUID(identity)
        found = records.patient(identity, tenant)
        if role == "clerk" and "closed" in faults:
            raise HTTPException(403, "closed")
        if role == "clerk" and "unmasked" not in faults:
            return {key: value for key, value in found.items() if key != "alert"}
        return found

    @router.patch("/patients/{identity}", response_model=None)
    def update(
        identity: str, body: Body, authorization: Auth = None, x_tenant: Tenant = None
    ) -> Body | Response:
        role, tenant = records.who(authorization, x_tenant)
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
            found.update({**body, **fixed})
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
