"""Philips Raw Data Storage: BLOBs, parameter blocks, ExamCards, and the texts and pages made from them."""
