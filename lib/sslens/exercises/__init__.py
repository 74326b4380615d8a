"""Exercises: questions and tasks whose answers are held against what the notebook measured; hints and solutions."""

from sslens.exercises.exercise import Exercise, Exercises
from sslens.exercises.feedback import Feedback
from sslens.exercises.question import Question
from sslens.exercises.task import Task

__all__ = ["Exercise", "Exercises", "Feedback", "Question", "Task"]
