"""The application check: normalises the answers and judges the chance of a place."""

from typing import Any, Dict, Optional, Text

from rasa_sdk import FormValidationAction, Tracker
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions.catalogue import MASTER_PROGRAMMES, chance, find_programme


def parse_grade(value: Any) -> Optional[float]:
    """Reads a German grade such as "2,3"; None if it is not between 1,0 and 4,0."""
    try:
        grade = float(str(value).replace(",", "."))
    except ValueError:
        return None
    return grade if 1.0 <= grade <= 4.0 else None


class ValidateApplicationForm(FormValidationAction):
    """Checks programme, degree and grade, and fills the slot `chance` from them."""

    def name(self) -> Text:
        return "validate_application_form"

    def validate_programme(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> Dict[Text, Any]:
        programme = find_programme(str(value))
        if programme is None:
            dispatcher.utter_message(response="utter_wrong_programme")
            return {"programme": None, "chance": None}
        slots: Dict[Text, Any] = {
            "programme": programme,
            "chance": chance(programme, parse_grade(tracker.get_slot("final_grade"))),
        }
        if tracker.get_slot("degree") == "Master" and programme not in MASTER_PROGRAMMES:
            dispatcher.utter_message(response="utter_wrong_degree", programme=programme)
            slots["degree"] = None
        return slots

    def validate_degree(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> Dict[Text, Any]:
        programme = tracker.get_slot("programme")
        if value == "Master" and programme and programme not in MASTER_PROGRAMMES:
            dispatcher.utter_message(response="utter_wrong_degree")
            return {"degree": None}
        return {"degree": value}

    def validate_final_grade(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict
    ) -> Dict[Text, Any]:
        grade = parse_grade(value)
        if grade is None:
            dispatcher.utter_message(response="utter_wrong_grade")
            return {"final_grade": None, "chance": None}
        return {"final_grade": grade, "chance": chance(tracker.get_slot("programme"), grade)}
