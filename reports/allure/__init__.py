"""Allure: results written from the ledger, and the HTML report made of them."""
