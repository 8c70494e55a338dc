-- What the peer keeps: no fingerprint, no answer, no chain.
create table accounts (
    id bigint generated always as identity primary key,
    ref text not null unique,
    balance bigint not null default 0
) with (fillfactor = 80);

create table jobs (
    key text primary key,
    account_id bigint not null references accounts,
    settled_at timestamptz not null default now()
);

create table entries (
    id bigint generated always as identity primary key,
    account_id bigint not null references accounts,
    job_key text not null unique references jobs,
    amount bigint not null,
    balance_after bigint not null,
    created_at timestamptz not null default now()
);
create index on entries (account_id);

create table outbox (
    id bigint generated always as identity primary key,
    type text not null,
    job_key text not null references jobs,
    said jsonb not null
);

-- Applies a job once, however often it is delivered, and returns the balance after it.
create function top_up(wanted_key text, wanted_ref text, wanted_amount bigint) returns bigint language plpgsql as $$
declare
    account accounts;
    after bigint;
begin
    select * into strict account from accounts where ref = wanted_ref for update;
    insert into jobs (key, account_id) values (wanted_key, account.id) on conflict do nothing;
    if not found then
        return (select balance_after from entries where job_key = wanted_key);
    end if;
    after := account.balance + wanted_amount;
    update accounts set balance = after where id = account.id;
    insert into entries (account_id, job_key, amount, balance_after)
        values (account.id, wanted_key, wanted_amount, after);
    insert into outbox (type, job_key, said) values ('wallet.topped_up', wanted_key,
        jsonb_build_object('account', wanted_ref, 'amount', wanted_amount, 'balance', after));
    return after;
end $$;
