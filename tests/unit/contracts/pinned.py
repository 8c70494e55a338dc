"""A body for each job, its meaning, and the fingerprint that is stored with it for ever: test_fingerprints says why."""

from typing import Any

PINNED: dict[str, tuple[dict[str, Any], str, str]] = {
    # job: the body, its meaning, SHA-256 of name and meaning
    "wallets.create": (
        {
            "wallet_id": "w_1",
            "customer_id": "c",
            "name": "Main",
            "currency": "eur",
            "wallet_type": "PROMOTIONAL",
            "conversion_rate": "0.50",
            "scale": 4,
            "floor": "-1.0",
            "config": {"allowed_price_types": ["USAGE"]},
            "auto_topup_trigger": "balance_below_threshold",
            "auto_topup_min_balance": "10",
            "auto_topup_amount": "1e2",
            "metadata": {"b": "2", "a": "1"},
        },
        '{"auto_topup_amount":"100","auto_topup_min_balance":"10","auto_topup_trigger":"balance_below_th'
        'reshold","config":{"allowed_price_types":["USAGE"]},"conversion_rate":"0.5","currency":"EUR","c'
        'ustomer_id":"c","floor":"-1","name":"Main","scale":4,"wallet_id":"w_1","wallet_type":"PROMOTION'
        'AL"}',
        "9aa179fdf72303432bda403c855199c8861133a1f0c160d513937864d8899fc1",
    ),
    "wallets.update": (
        {
            "wallet_id": "w_1",
            "name": "Other",
            "wallet_status": "frozen",
            "config": {"allowed_price_types": ["ALL"]},
            "auto_topup_amount": "0.5",
        },
        '{"auto_topup_amount":"0.5","config":{},"name":"Other","wallet_id":"w_1","wallet_status":"frozen"}',
        "cf60bb766c5ebe3431112b659d87eca4bff8d59f381be8e1b24f8149fcfd4674",
    ),
    "wallets.top_up": (
        {
            "wallet_id": "w_1",
            "credits_to_add": "12.50",
            "amount": "0",
            "transaction_reason": "PURCHASED_CREDIT_DIRECT",
            "expiry_date_utc": "2030-01-31",
            "priority": 3,
            "description": "Бонус",
            "occurred_at": "2026-01-01T03:00:00.5+03:00",
        },
        '{"amount":"0","credits_to_add":"12.5","description":"Бонус","expiry_date_utc":"2030-01-31","occ'
        'urred_at":"2026-01-01T00:00:00.500000Z","priority":3,"transaction_reason":"PURCHASED_CREDIT_DIR'
        'ECT","wallet_id":"w_1"}',
        "e21046475669c7820152764b2c7f40c2867c46fb3726799dcd1a856d5e54bfcb",
    ),
    "wallets.debit": (
        {"wallet_id": "w_1", "amount": "0.0000001", "transaction_reason": "INVOICE_PAYMENT"},
        '{"amount":"1E-7","wallet_id":"w_1"}',
        "225fd3cec92e72b7db8666816a80c34f77b261b1d926013f46045bb885fb9470",
    ),
    "wallets.hold": (
        {"wallet_id": "w_1", "credits": "8.0", "expires_in_s": 60.0, "price_type": "USAGE"},
        '{"credits":"8","expires_in_s":60,"price_type":"USAGE","wallet_id":"w_1"}',
        "fae1453d5925f0a7ac6b3f8080b0d5a4d5ba80f650badf01706b3825db1ad7ed",
    ),
    "holds.capture": (
        {"job_id": "01A1FC91-69B2-7000-86FB-9F8528CDC254", "amount": "2.50", "final": False},
        '{"amount":"2.5","final":false,"job_id":"01a1fc91-69b2-7000-86fb-9f8528cdc254"}',
        "6c76d5af39a6b765d37f8258a03a61ce0d618c6a0a7bcdfd6cdd96e8b94dae4a",
    ),
    "holds.release": (
        {"job_id": "01A1FC91-69B2-7000-86FB-9F8528CDC254", "description": ""},
        '{"job_id":"01a1fc91-69b2-7000-86fb-9f8528cdc254"}',
        "53b49e782aa8e21afad3c68f42455cb2e603ccb3d453bb0f382cbfa9d03d5e15",
    ),
    "grants.void": (
        {"wallet_id": "w_1", "job_id": "01A1FC91-69B2-7000-86FB-9F8528CDC254", "reason": "r", "operator": "o"},
        '{"job_id":"01a1fc91-69b2-7000-86fb-9f8528cdc254","operator":"o","reason":"r","wallet_id":"w_1"}',
        "c98bddcbbd1b42f5442a0e524f4625cbbc65dc2df682d4d2d0ba30954043420c",
    ),
    "wallets.terminate": (
        {"wallet_id": "w_1", "description": "bye"},
        '{"description":"bye","wallet_id":"w_1"}',
        "52069318eadfb6f36c4cd6acba8c2aab90f472a14f124f6fac95bd0d581d305c",
    ),
    "users.upsert": (
        {
            "user_id": 1,
            "telegram_id": 77,
            "username": None,
            "status": "blocked",
            "last_activity": "2026-01-01T00:00:00Z",
            "promo_group": {"id": 1, "name": "VIP", "server_discount_percent": 10},
            "subscription": {"id": 2, "status": "trial", "end_date": "2026-02-01T00:00:00Z", "connected_squads": ["a"]},
            "floor_kopeks": -100,
        },
        '{"floor_kopeks":-100,"last_activity":"2026-01-01T00:00:00Z","promo_group":{"id":1,"name":"VIP",'
        '"server_discount_percent":10},"status":"blocked","subscription":{"connected_squads":["a"],"end_'
        'date":"2026-02-01T00:00:00Z","id":2,"status":"trial"},"telegram_id":77,"user_id":1,"username":n'
        "ull}",
        "fe2feda7515f2f919807b349cf78fdf25629a1233dc28c15e1e2effb408c03f3",
    ),
    "users.update_balance": (
        {
            "user_id": 1,
            "amount_kopeks": -500,
            "description": "Возврат",
            "create_transaction": False,
            "metadata": {"order": "7"},
        },
        '{"amount_kopeks":-500,"create_transaction":false,"description":"Возврат","user_id":1}',
        "906391c55f0af82985a213bb87fbe78496205b827d05bcf82542e7dc2fcd5399",
    ),
    "apps.upsert": (
        {"app_id": "calc", "store_id": 7, "decrease_only": True},
        '{"app_id":"calc","decrease_only":true,"store_id":"7"}',
        "a8945d5bedf845908cea2abf65fd7b5635e82fd7d683988bc9722b665e3c9fcc",
    ),
    "apps.update_balance": (
        {"app_id": "calc", "store_id": 7, "balance": 2399, "occurred_at": "2026-01-01T00:00:00Z"},
        '{"app_id":"calc","balance":2399,"occurred_at":"2026-01-01T00:00:00Z","store_id":"7"}',
        "7fbaeeea7bf6999cb347b61e7eafe6369602b53896b5a3e6b3f611f444c94296",
    ),
    "entries.reverse": (
        {"job_id": "01A1FC91-69B2-7000-86FB-9F8528CDC254", "force": True},
        '{"force":true,"job_id":"01a1fc91-69b2-7000-86fb-9f8528cdc254"}',
        "0510714cc6168155bae18bbafe11912018d850f0cf64b23a13df73ce520340ca",
    ),
    "auto_topup.set_policy": (
        {
            "account": "wallet:w_1",
            "trigger": "balance_below_threshold",
            "threshold": "10.0",
            "target_balance": 50,
            "timezone": "Europe/Riga",
            "min_charge": 1,
            "max_charge": "100",
            "monthly_cap": "1e3",
            "cooldown_s": 60,
            "max_declines": 3,
            "provider": "stripe",
            "payer": "cus_1",
            "payment_method": "pm_1",
        },
        '{"account":"wallet:w_1","cooldown_s":60,"max_charge":"100","max_declines":3,"min_charge":"'
        '1","monthly_cap":"1000","payer":"cus_1","payment_method":"pm_1","provider":"stripe","targe'
        't_balance":"50","threshold":"10","timezone":"Europe/Riga","trigger":"balance_below_thresho'
        'ld"}',
        "69d7a46ff79534012e06c85ed4c9914775891265ce35e46223a6f57052bf2dd5",
    ),
    "auto_topup.resume": (
        {
            "account": "wallet:w_1",
        },
        '{"account":"wallet:w_1"}',
        "680deeaae4155b62ba92be1c9fe0e2e2e68be35ec82b91017c624fc702b43ada",
    ),
    "auto_topup.run_now": (
        {
            "account": "user:42",
        },
        '{"account":"user:42"}',
        "0a1908d7ba43913f144d3a595f221203391d803c69aa373d924f360cb9afc067",
    ),
    "auto_topup.cancel": (
        {
            "account": "wallet:w_1",
        },
        '{"account":"wallet:w_1"}',
        "f25946b3124232a86f13567edfbe43ad75edbe371698a7b094de26f67eb49cfa",
    ),
    "accounts.set_alerts": (
        {
            "account": "wallet:w_1",
            "thresholds": ["10.50", "1e2", 0, "10.5"],
        },
        '{"account":"wallet:w_1","thresholds":["100","10.5","0"]}',
        "074508155ad8a3c4f1dafdb0c3a413cdb40299d7f024245b1371ffde131e6531",
    ),
    "charges.settle": (
        {
            "charge_id": "0193A5C2-7b1e-7c42-8a52-3f0d6f1f9b13",
            "status": "needs_action",
            "reference": "pi_1",
            "code": "authentication_required",
            "link": "https://pay.example/1",
        },
        '{"charge_id":"0193a5c2-7b1e-7c42-8a52-3f0d6f1f9b13","code":"authentication_required","link'
        '":"https://pay.example/1","reference":"pi_1","status":"needs_action"}',
        "482e1b8e2493090df2efbd725dd5cd3e971de3ddf1de836fc4dccd5404253431",
    ),
    "webhooks.add": (
        {
            "name": "shop",
            "url": "https://shop.example/hooks",
            "types": ["wallet.updated", "job.rejected"],
            "kinds": ["wallet", "app"],
        },
        '{"kinds":["app","wallet"],"name":"shop","types":["job.rejected","wallet.updated"],"url":"https://shop.example/hooks"}',
        "828d1d785eb171cd037df797ff04d50d8bd082e74190061d756a5fb2d4372064",
    ),
    "webhooks.update": (
        {"endpoint_id": "0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14", "url": "https://shop.example/v2", "types": None},
        '{"endpoint_id":"0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14","types":null,"url":"https://shop.example/v2"}',
        "e3ee57fcea25d56dbf29faf9be01d373356dd6ec2ed6df9408fef0fd493df089",
    ),
    "webhooks.enable": (
        {"endpoint_id": "0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14"},
        '{"endpoint_id":"0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14"}',
        "1d82205b06ea83d804f39c8517d0a74a6a69fd517af390012528d87d77252673",
    ),
    "webhooks.disable": (
        {"endpoint_id": "0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14"},
        '{"endpoint_id":"0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14"}',
        "00e7bb81d4e0406136557bf38c2a2018e925f821af5e437d9bbd6128e3df0539",
    ),
    "webhooks.rotate_secret": (
        {"endpoint_id": "0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14", "overlap_s": 60},
        '{"endpoint_id":"0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14","overlap_s":60}',
        "cb3d09f51e181f72adedfd47cafcca71c38cdb5b8db5bef09045a8c635369be4",
    ),
    "webhooks.remove": (
        {"endpoint_id": "0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14"},
        '{"endpoint_id":"0193a5c2-7b1e-7c43-8a52-3f0d6f1f9b14"}',
        "e319dc8e63fc28d5b11afa9bccb5f1aaea2c659f3a596d44b8b99032a7f3f339",
    ),
}
