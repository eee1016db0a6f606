"""Notes: children of a patient, written and read by doctors."""

from __future__ import annotations

import uuid

from fastapi import APIRouter, HTTPException

from tests.clinic.records import Auth, Body, Records, Tenant


def routes(records: Records) -> APIRouter:
    """The operations on notes."""
    router = APIRouter()
    faults, notes = records.faults, records.notes

    @router.post("/patients/{identity}/notes", status_code=201)
    def write(
        identity: str, body: Body, authorization: Auth = None, x_tenant: Tenant = None
    ) -> Body:
        role, tenant = records.who(authorization, x_tenant)
        records.only(role, "doctor")
        records.patient(identity, tenant)
        if "id-in-body" in faults and str(body.get("id")) in notes:
            notes[str(body["id"])].update(body)
            return notes[str(body["id"])]
        note = str(uuid.uuid4())
        made = {"text": body.get("text"), "id": note, "patient_id": identity}
        notes[note] = made
        return made

    @router.get("/patients/{identity}/notes/{note}")
    def read(identity: str, note: str, authorization: Auth = None, x_tenant: Tenant = None) -> Body:
        role, tenant = records.who(authorization, x_tenant)
        records.only(role, "doctor")
        records.patient(identity, tenant)
        found = notes.get(note)
        bound = found is not None and found["patient_id"] == identity
        if found is None or not (bound or "loose-child" in faults):
            raise HTTPException(404, "not found")
        return found

    return router
