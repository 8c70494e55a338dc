"""What travels to the database in one parameter arrives as it was."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from models.store.write import rows

STORABLE = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


def test_texts_arrive_as_they_are(shared_engine: Engine) -> None:
    with shared_engine.connect() as connection:

        @given(st.lists(STORABLE | st.sampled_from(["", "null", "NULL", '"', "\\", '\\"', "{}", ",", " ", "{a,b}"])))
        def same(values: list[str]) -> None:
            found = connection.execute(text("select cast(:values as text[])"), {"values": rows.texts(values)})
            assert found.scalar_one() == values

        same()
