"""Bugs planted in the page: what it lets in, what it lets out, and what it orders."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

GUARD = "tests/web/test_guard.py::"
ENTRANCE = "tests/web/test_entrance.py::"
PAGES = "tests/web/test_pages.py::"
ORDERS = "tests/web/test_orders.py::"
LIVE = "tests/web/test_live.py::"
SERVING = "tests/web/test_serving.py::"

MUTANTS = [
    Mutant(
        "keeps the place of who asks for nothing",
        "persistq/web/connection.py",
        "        if awaited is not None and awaited == self._seen:\n",
        "        if False:\n",
        ("tests/web/test_slow_strangers.py",),
    ),
    Mutant(
        "closes what is being answered",
        "persistq/web/connection.py",
        "        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:\n",
        "        if False:\n",
        ("tests/web/test_slow_strangers.py",),
    ),
    Mutant(
        "tells strangers what is measured",
        "persistq/web/app.py",
        "            refused = self._entrance.by_header(request)\n",
        "            refused = None\n",
        ("tests/web/test_metrics.py::test_nobody_else_is_told_anything",),
    ),
    Mutant(
        "answers under any name",
        "persistq/web/guard.py",
        'if len(headers.getlist("host")) != 1 or not self._hosts.allow(host):',
        'if len(headers.getlist("host")) != 1:',
        (f"{GUARD}test_a_name_that_was_made_to_lead_here_gets_nothing",),
    ),
    Mutant(
        "takes orders from pages of other servers",
        "persistq/web/guard.py",
        'return site == "same-origin" and is_origin(headers.get("origin", ""), host)',
        'return site == "same-origin"',
        (f"{GUARD}test_an_order_from_elsewhere_changes_nothing",),
    ),
    Mutant(
        "takes orders from other ports of the machine",
        "persistq/web/guard.py",
        'return site == "same-origin" and is_origin(headers.get("origin", ""), host)',
        'return is_origin(headers.get("origin", ""), host)',
        (f"{GUARD}test_an_order_from_elsewhere_changes_nothing",),
    ),
    Mutant(
        "may be framed",
        "persistq/web/guard.py",
        "frame-ancestors 'none'; ",
        "",
        (f"{GUARD}test_every_answer_forbids_to_be_framed_and_to_run_what_is_not_ours",),
    ),
    Mutant(
        "shows pages to who is not in",
        "persistq/web/guard.py",
        'if scope["session"] is None and not',
        "if False and not",
        (f"{GUARD}test_who_is_not_in_reads_nothing",),
    ),
    Mutant(
        "asks for no token with an order",
        "persistq/web/app.py",
        """        if not session.may_order(form.get("order", "")):
            return _error_page(_NOT_FROM_HERE, HTTPStatus.FORBIDDEN)
        session.said""",
        "        session.said",
        (f"{GUARD}test_an_order_without_the_token_of_the_session_changes_nothing",),
    ),
    Mutant(
        "leads to another server after an order",
        "persistq/web/app.py",
        '    return path if is_page else "/"\n',
        "    return path\n",
        (f"{GUARD}test_an_order_leads_to_no_other_server",),
    ),
    Mutant(
        "lets browsers in by an address that was used",
        "persistq/web/tokens.py",
        "        self._word = secrets.token_urlsafe(_TICKET_BYTES)\n        self.show()\n",
        "        self.show()\n",
        (f"{ENTRANCE}test_an_address_lets_one_browser_in_once",),
    ),
    Mutant(
        "lets words be guessed for ever",
        "persistq/web/entrance.py",
        "        return not self._attempts.wait\n",
        "        return True\n",
        (f"{ENTRANCE}test_after_ten_wrong_words_nobody_comes_in_for_a_while",),
    ),
    Mutant(
        "keeps who has left",
        "persistq/web/sessions.py",
        "        self._sessions.pop(_digest(cookie), None)\n",
        "        pass\n",
        (f"{ENTRANCE}test_who_has_left_is_out",),
    ),
    Mutant(
        "listens for others without tokens",
        "persistq/cli/serve.py",
        "    if not is_loopback(host) and not len(tokens):\n",
        "    if False:\n",
        (f"{SERVING}test_an_address_that_others_reach_needs_tokens",),
    ),
    Mutant(
        "escapes nothing",
        "persistq/web/rendering.py",
        "        autoescape=True,\n",
        "        autoescape=False,\n",
        (f"{PAGES}test_everything_from_a_journal_is_escaped",),
    ),
    Mutant(
        "lets characters turn a text around",
        "persistq/web/rendering.py",
        "        finalize=_safe,\n",
        "",
        (f"{PAGES}test_everything_from_a_journal_is_escaped",),
    ),
    Mutant(
        "takes an empty form for all items",
        "persistq/web/orders.py",
        'if kind.stage is None and kind.pattern is None and not form.get("everything"):',
        "if False:",
        (f"{ORDERS}test_an_order_that_says_nothing_of_which_changes_nothing",),
    ),
    Mutant(
        "retries what is of another kind",
        "persistq/web/failures.py",
        "if kind.pattern is None or pattern_of(parked) == kind.pattern:",
        "if True:",
        (f"{ORDERS}test_all_of_a_kind_are_retried",),
    ),
    Mutant(
        "puts masks for secrets",
        "persistq/web/orders.py",
        "    if seen.masked:\n",
        "    if False:\n",
        (f"{ORDERS}test_an_item_is_edited_and_its_secrets_stay",),
    ),
    Mutant(
        "does not notice that a run is gone",
        "persistq/web/journals.py",
        "is_old and (not before.is_running or site.is_held()):",
        "is_old:",
        (f"{LIVE}test_a_run_that_is_gone_is_noticed_without_a_change_of_its_journal",),
    ),
    Mutant(
        "opens journals that rest",
        "persistq/web/journals.py",
        "            if it.st_size:\n",
        "            if True:\n",
        (f"{LIVE}test_journals_at_rest_are_not_opened",),
    ),
    Mutant(
        "follows pages for who has left",
        "persistq/web/live.py",
        "        while is_in() and not",
        "        while not",
        (f"{LIVE}test_who_has_left_is_sent_nothing_more",),
    ),
    Mutant(
        "waits for pages that are followed at its end",
        "persistq/web/server.py",
        "        self._live.end()\n",
        "        pass\n",
        (f"{SERVING}test_it_ends_at_once_while_a_page_is_followed",),
    ),
]
