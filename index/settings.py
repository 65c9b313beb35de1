"""What can be set, from the environment (`FOOTNOTE_…`), with unit and reason. Few on purpose."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import platformdirs
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from index.types import FootnoteError


class Settings(BaseSettings):
    """`index`: folder of the index; `embedder`: a sentence-transformers model by folder or name, `bundled` for
    the one that is installed with the program; `llm`: default of `--llm`; `lock_seconds`: how long a second
    writer waits for the first; `reranker`, `checker`: cross-encoders by folder or name, one to order the passages
    anew and one to judge claims in place of the bundled model; `chroma`: address of a Chroma server,
    http://host:port, instead of Chroma in this process; `chroma_token`: what that server wants to see."""

    model_config = SettingsConfigDict(env_prefix="FOOTNOTE_", env_ignore_empty=True)

    index: Path = Path(platformdirs.user_data_dir("footnote", appauthor=False)) / "index"
    embedder: str = "bundled"
    llm: str = "none"
    lock_seconds: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    reranker: str | None = None
    checker: str | None = None
    chroma: str | None = None
    chroma_token: SecretStr | None = None


@cache
def settings() -> Settings:
    """The settings of this process, read from the environment once. Raises FootnoteError for a value that is none."""
    try:
        return Settings()
    except ValidationError as exc:
        wrong = exc.errors(include_input=False, include_url=False)[0]
        raise FootnoteError(
            f"FOOTNOTE_{str(wrong['loc'][0]).upper()}: {wrong['msg']}; set it anew or unset it"
        ) from None
