"""A picture of the chat: a question, its answer, and the article open at one of its footnotes.

    footnote chat --port 7861 &
    python -m benchmarks.screenshot http://127.0.0.1:7861 docs/screenshot.png

Needs Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser import chromium, wait_for

QUESTION = "Who denied that he had received a letter from Trump?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("url")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--footnote", type=int, default=1, help="the number that is clicked; 0: none")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--dark", action="store_true")
    args = parser.parse_args()
    with chromium(args.width, args.height, args.dark) as driver:
        driver.get(args.url)
        box = wait_for(lambda: driver.find_elements(By.CSS_SELECTOR, "#box textarea"))[0]
        box.send_keys(args.question + Keys.ENTER)
        wait_for(lambda: driver.find_elements(By.CSS_SELECTOR, "#current .meta"), seconds=120)
        if args.footnote:
            driver.find_elements(By.CSS_SELECTOR, "#current .number")[args.footnote - 1].click()
            wait_for(lambda: driver.find_elements(By.CSS_SELECTOR, "mark"))
        driver.execute_script("document.activeElement.blur()")
        time.sleep(0.5)  # scrolling and the last fade
        driver.save_screenshot(str(args.picture))


if __name__ == "__main__":
    main()
